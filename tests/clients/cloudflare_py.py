"""The PyPI package `cloudflare` at work through the gateway.

Reads one request a line, {"ask": name, "base": url, "token": token, ...}, and answers each with one line: {"result": ...}, or {"refused": ...} with
what the exception holds. Anything else that goes wrong is {"broken": traceback}.
"""

import hashlib
import json
import sys
import traceback

import cloudflare
import httpx
from cloudflare import Cloudflare

ACCOUNT = "local"


def rows(client, database, sql, params=None):
    """The rows of the last statement."""
    extra = {} if params is None else {"params": params}
    return list(client.d1.database.query(database, account_id=ACCOUNT, sql=sql, **extra))[-1].results


def d1(client, database, **_):
    query = client.d1.database.query
    [update] = query(database, account_id=ACCOUNT, sql="UPDATE customers SET plan = ? WHERE id = ?", params=["pro", "1"])
    raw = list(client.d1.database.raw(database, account_id=ACCOUNT, sql="SELECT id, email AS mail FROM customers ORDER BY id"))
    batch = [{"sql": "INSERT INTO customers (email) VALUES (?) RETURNING id", "params": ["cy@example.com"]}, {"sql": "SELECT count(*) AS n FROM customers"}]
    both = list(query(database, account_id=ACCOUNT, batch=batch))
    try:
        query(database, account_id=ACCOUNT, batch=[{"sql": "DELETE FROM customers"}, {"sql": "INSERT INTO customers (email) VALUES (NULL)"}])
        broken = None
    except cloudflare.BadRequestError as error:
        broken = [error.status_code, error.errors[0].code, error.errors[0].message]
    return {
        "changes": update.meta.changes,
        "dry_run": getattr(update.meta, "dry_run", False),
        "raw": [raw[0].results.columns, raw[0].results.rows],
        "batch": [one.results for one in both],
        "broken": broken,
        "rows": rows(client, database, "SELECT id, email, plan FROM customers ORDER BY id"),
    }


def uploaded(client, database, sql):
    """What every import does: announce, upload, ingest, and ask until it is over."""
    content = sql.encode()
    etag = hashlib.md5(content).hexdigest()
    ask = client.d1.database.import_
    announced = ask(database, account_id=ACCOUNT, action="init", etag=etag)
    put = httpx.put(announced.upload_url, content=content)
    assert (put.status_code, put.headers["etag"].strip('"')) == (200, etag), put.text
    answer = ask(database, account_id=ACCOUNT, action="ingest", etag=etag, filename=announced.filename)
    for _ in range(20):
        if answer.status in ("complete", "error"):
            return answer
        answer = ask(database, account_id=ACCOUNT, action="poll", current_bookmark=answer.at_bookmark)
    raise AssertionError("the import does not end")


def downloaded(client, database):
    export = client.d1.database.export
    answer = export(database, account_id=ACCOUNT, output_format="polling")
    for _ in range(20):
        if answer.status == "complete":
            return httpx.get(answer.result.signed_url).raise_for_status().text
        answer = export(database, account_id=ACCOUNT, output_format="polling", current_bookmark=answer.at_bookmark)
    raise AssertionError(f"the export does not end: {answer}")


def d1_files(client, database, second, **_):
    answer = uploaded(client, database, "INSERT INTO customers (id, email) VALUES (10, 'semi;colon@example.com');\nUPDATE customers SET plan = 'it''s pro' WHERE id = 10;\n")
    uploaded(client, second, downloaded(client, database))
    select = "SELECT * FROM customers ORDER BY id"
    return {
        "status": [answer.success, answer.status, answer.result.num_queries, answer.result.meta.size_after > 0, bool(answer.result.final_bookmark)],
        "rows": rows(client, database, select),
        "copy": rows(client, second, select),
    }


def kv(client, namespace, picture, **_):
    namespaces, values = client.kv.namespaces, client.kv.namespaces.values
    inside = {"account_id": ACCOUNT, "namespace_id": namespace}
    odd, picture = "a b/ünï//☃?x#y%2F", bytes.fromhex(picture)
    before = values.get("there", **inside).text()
    values.update("there", value=b"after", **inside)
    values.update(odd, value=b"odd", metadata={"kind": "note", "n": 1}, expiration_ttl=3600, **inside)
    values.update("picture", value=picture, **inside)
    written = namespaces.bulk_update(namespace, account_id=ACCOUNT, body=[{"key": f"page/{n:02}", "value": str(n)} for n in range(25)])
    pages = [key.name for key in namespaces.keys.list(namespace, account_id=ACCOUNT, prefix="page/", limit=10)]
    got = namespaces.bulk_get(namespace, account_id=ACCOUNT, keys=["page/03", "nothing"])
    namespaces.bulk_delete(namespace, account_id=ACCOUNT, body=pages[1:])
    values.delete("there", **inside)
    try:
        values.get("there", **inside)
        gone = None
    except cloudflare.NotFoundError as error:
        gone = error.errors[0].code
    return {
        "read": [before, values.get(odd, **inside).text(), values.get("picture", **inside).read() == picture],
        "metadata": client.kv.namespaces.metadata.get(odd, **inside),
        "written": written.successful_key_count,
        "pages": pages,
        "bulk": got.values,
        "left": sorted(key.name for key in namespaces.keys.list(namespace, account_id=ACCOUNT)),
        "gone": gone,
    }


def r2(client, bucket, picture, **_):
    objects = client.r2.buckets.objects
    inside = {"account_id": ACCOUNT, "bucket_name": bucket}
    key, picture = "photos/2026/ünï c.png", bytes.fromhex(picture)
    put = objects.upload(key, picture, extra_headers={"Content-Type": "image/png"}, **inside)
    for other in ("photos/a", "photos/b", "texts/c"):
        objects.upload(other, other.encode(), **inside)
    answer = objects.get(key, **inside)
    listed = list(objects.list(bucket, account_id=ACCOUNT, prefix="photos/", per_page=2))
    objects.delete("photos/b", **inside)
    try:
        objects.get("photos/b", **inside)
        gone = None
    except cloudflare.NotFoundError as error:
        gone = error.errors[0].code
    return {
        "put": [put.key, put.size, put.etag.strip('"')],
        "read": [answer.headers["content-type"], answer.read() == picture],
        "listed": [[one.key, one.size, one.http_metadata.content_type] for one in listed],
        "gone": gone,
    }


def describe(client, database, name, **_):
    return {
        "verified": client.user.tokens.verify().status,
        "accounts": [one.id for one in client.accounts.list()],
        "memberships": [one.account.id for one in client.memberships.list()],
        "databases": sorted(one.uuid for one in client.d1.database.list(account_id=ACCOUNT)),
        "database": client.d1.database.get(name, account_id=ACCOUNT, fields=["uuid", "name"]).uuid,
        "bookmark": bool(client.d1.database.time_travel.get_bookmark(database, account_id=ACCOUNT).bookmark),
        "namespaces": [[one.id, one.title] for one in client.kv.namespaces.list(account_id=ACCOUNT)],
        "buckets": [one.name for one in client.r2.buckets.list(account_id=ACCOUNT).buckets],
    }


def query(client, database, sql, **_):
    return rows(client, database, sql)


def value(client, namespace, method, key, body=None, **_):
    inside = {"account_id": ACCOUNT, "namespace_id": namespace}
    return client.kv.namespaces.values.update(key, value=body.encode(), **inside) if method == "PUT" else client.kv.namespaces.values.get(key, **inside).text()


def thing(client, bucket, method, key, body=None, **_):
    inside = {"account_id": ACCOUNT, "bucket_name": bucket}
    return client.r2.buckets.objects.upload(key, body.encode(), **inside) if method == "PUT" else client.r2.buckets.objects.get(key, **inside).text()


def unoffered(client, call, database, namespace, bucket, **_):
    databases, namespaces, buckets = client.d1.database, client.kv.namespaces, client.r2.buckets
    return {
        "d1.database.create": lambda: databases.create(account_id=ACCOUNT, name="another"),
        "d1.database.delete": lambda: databases.delete(database, account_id=ACCOUNT),
        "d1.database.edit": lambda: databases.edit(database, account_id=ACCOUNT, read_replication={"mode": "auto"}),
        "d1.database.time_travel.restore": lambda: databases.time_travel.restore(database, account_id=ACCOUNT, bookmark="x"),
        "kv.namespaces.create": lambda: namespaces.create(account_id=ACCOUNT, title="another"),
        "kv.namespaces.delete": lambda: namespaces.delete(namespace, account_id=ACCOUNT),
        "r2.buckets.create": lambda: buckets.create(account_id=ACCOUNT, name="another"),
        "r2.buckets.delete": lambda: buckets.delete(bucket, account_id=ACCOUNT),
        "workers.scripts.list": lambda: list(client.workers.scripts.list(account_id=ACCOUNT)),
    }[call]()


def live_run(client, **_):
    return client.post("/v1/runs", cast_to=object, body={"mode": "live"})


ASKS = {ask.__name__: ask for ask in (d1, d1_files, kv, r2, describe, query, value, thing, unoffered, live_run)}


def answer(request):
    client = Cloudflare(api_token=request.pop("token"), base_url=request.pop("base"))
    try:
        return {"result": ASKS[request.pop("ask")](client, **request)}
    except cloudflare.APIStatusError as error:
        shown = "".join(traceback.format_exception_only(error))
        return {"refused": {"type": type(error).__name__, "status": error.status_code, "errors": error.body["errors"], "body": error.body, "codes": [one.code for one in error.errors], "shown": shown}}
    except Exception:
        return {"broken": traceback.format_exc()}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line)), default=str), flush=True)

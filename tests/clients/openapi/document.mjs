// The gateway's OpenAPI document as a test sees it: its operations, the codes that each can answer, and whether an answer is one of those described.

import assert from 'node:assert/strict';
import Ajv2020 from 'ajv/dist/2020.js';

const escaped = (part) => part.replaceAll('~', '~0').replaceAll('/', '~1');

export class Document {
  #ajv = new Ajv2020.default({ strict: false, validateFormats: false, allErrors: true });
  #json;

  constructor(json) {
    this.#json = json;
    this.#ajv.addSchema(json, 'openapi');
    this.operations = Object.entries(json.paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => this.#operation(path, method, operation)));
  }

  #operation(path, method, { operationId: id, tags: [tag], parameters, security, responses }) {
    const answers = Object.entries(responses).map(([status, response]) => {
      const [pointer, described] = this.#resolve(response, `/paths/${escaped(path)}/${method}/responses/${status}`);
      return { status: Number(status), pointer, ...described, codes: described.headers?.Problem?.schema?.enum ?? codesOf(described.content?.['application/json']?.schema) };
    });
    const named = new Set(parameters.map((parameter) => this.#resolve(parameter)[1]).map(({ in: place, name }) => `${place} ${name}`));
    return { id, tag, path, method: method.toUpperCase(), secured: security.length > 0, answers, takes: (place, name) => named.has(`${place} ${name}`) };
  }

  #resolve(value, pointer) {
    if (value.$ref === undefined) return [pointer, value];
    const target = value.$ref.slice(1);
    return [target, target.slice(1).split('/').reduce((inner, part) => inner[part], this.#json)];
  }

  /** Fails when the answer is none of those that the operation is described with: its status, headers, media type and body. */
  assertDescribed(operation, { status, headers, json, text, bytes }) {
    const about = `${operation.id} ${status} ${text.slice(0, 400)}`;
    const answer = operation.answers.find((one) => one.status === status);
    assert.ok(answer, `no such status is described: ${about}`);
    for (const [name, header] of Object.entries(answer.headers ?? {})) {
      const [, described] = this.#resolve(header);
      const value = headers.get(name);
      if (value === null) assert.ok(!described.required, `the header ${name} is missing: ${about}`);
      else this.#assertValid(described.schema, described.schema.type === 'integer' ? Number(value) : value, `header ${name}: ${about}`);
    }
    if (answer.content === undefined) return assert.equal(bytes.length, 0, `a body that is not described: ${about}`);
    const type = (headers.get('content-type') ?? '').split(';')[0];
    const described = answer.content[type] === undefined ? '*/*' : type;
    assert.ok(answer.content[described], `the media type ${type} is not described: ${about}`);
    if (type !== 'application/json') return undefined;
    assert.notEqual(json, undefined, `no JSON: ${about}`);
    return this.#assertValid({ $ref: `openapi#${answer.pointer}/content/${escaped(described)}/schema` }, json, about);
  }

  #assertValid(schema, value, about) {
    const validate = this.#ajv.compile(schema.$ref?.startsWith('#') ? { $ref: `openapi${schema.$ref}` } : schema);
    assert.ok(validate(value), `${this.#ajv.errorsText(validate.errors)}: ${about}`);
  }
}

/** The codes that the form of an answer allows, wherever in it they stand. */
function codesOf(schema) {
  if (schema === null || typeof schema !== 'object') return [];
  return schema.properties?.code?.enum ?? Object.values(schema).flatMap(codesOf);
}

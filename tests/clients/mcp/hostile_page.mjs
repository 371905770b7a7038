// What a hostile web page tries. These functions run inside the browser; they know only what they are given.

/** Every way in which a page can send something to `target`. Answers what the page learned of each. */
export async function attack(target, token, body) {
  const learned = {};
  const attempt = async (name, act) => {
    learned[name] = await act().then((value) => value, (error) => `error: ${error.name}`);
  };
  const read = async (response) => `${response.type} ${response.status} ${await response.text()}`.trim();
  const json = { 'Content-Type': 'application/json' };
  const signed = { ...json, Authorization: `Bearer ${token}` };
  const post = { method: 'POST', body };
  await attempt('cors without a token', async () => read(await fetch(target, { ...post, headers: json })));
  await attempt('cors with the token', async () => read(await fetch(target, { ...post, headers: signed })));
  await attempt('cors with the token, as text', async () => read(await fetch(target, { ...post, headers: { Authorization: `Bearer ${token}` } })));
  await attempt('cors with cookies', async () => read(await fetch(target, { ...post, credentials: 'include' })));
  await attempt('no-cors', async () => read(await fetch(target, { ...post, mode: 'no-cors' })));
  await attempt('no-cors with the token', async () => read(await fetch(target, { ...post, mode: 'no-cors', headers: signed, credentials: 'include' })));
  await attempt('no-cors without a referrer', async () => read(await fetch(target, { ...post, mode: 'no-cors', referrerPolicy: 'no-referrer' })));
  await attempt('no-cors GET', async () => read(await fetch(target, { mode: 'no-cors' })));
  await attempt('same-origin', async () => read(await fetch(target, { ...post, mode: 'same-origin' })));
  await attempt('XMLHttpRequest with the token', () => new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', target);
    for (const [name, value] of Object.entries(signed)) request.setRequestHeader(name, value);
    request.onload = () => resolve(`read ${request.status} ${request.responseText}`);
    request.onerror = () => reject(new TypeError('blocked'));
    request.send(body);
  }));
  await attempt('beacon', async () => String(navigator.sendBeacon(target, new Blob([body], { type: 'text/plain' }))));
  await attempt('event stream', () => new Promise((resolve, reject) => {
    const stream = new EventSource(target);
    stream.onopen = () => resolve('open');
    stream.onerror = () => {
      stream.close();
      reject(new TypeError('blocked'));
    };
  }));
  await attempt('web socket', () => new Promise((resolve, reject) => {
    const socket = new WebSocket(target.replace('http', 'ws'));
    socket.onopen = () => resolve('open');
    socket.onerror = () => reject(new TypeError('blocked'));
  }));
  const inFrame = (act) => new Promise((resolve) => {
    const frame = document.createElement('iframe');
    frame.name = `frame-${Math.random()}`;
    document.body.append(frame);
    // A frame of another origin has no document for this page.
    frame.onload = () => resolve(frame.contentDocument?.body?.textContent ?? 'nothing');
    act(frame);
  });
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data']) {
    await attempt(`form as ${type}`, () => inFrame((frame) => {
      const form = document.createElement('form');
      Object.assign(form, { method: 'POST', action: target, target: frame.name, enctype: type });
      const field = document.createElement('input');
      // With text/plain name and value come out as one JSON text.
      Object.assign(field, { name: `${body.slice(0, -1)},"x":"`, value: '"}' });
      form.append(field);
      document.body.append(form);
      form.submit();
    }));
  }
  await attempt('frame', () => inFrame((frame) => {
    frame.src = target;
  }));
  await attempt('image', () => new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve('loaded');
    image.onerror = () => reject(new TypeError('blocked'));
    image.src = `${target}?token=${token}`;
  }));
  await attempt('script', () => new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.onload = () => resolve('loaded');
    script.onerror = () => reject(new TypeError('blocked'));
    script.src = target;
    document.head.append(script);
  }));
  return learned;
}

/** The same request as a program would send it, from a page of the gateway's own origin or of a name that points to it. */
export async function fromWithin(path, token, body) {
  const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` };
  const response = await fetch(path, { method: 'POST', headers, body });
  return { status: response.status, json: await response.json() };
}

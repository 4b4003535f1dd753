// The npm SDKs, as their users call them. usage: node node_sdk.mjs FOLDER_WITH_NODE_MODULES
// One question a line on stdin, its answer (what the SDK gave its user) a line on stdout; `sdk/table.py` has the words.
import { createRequire } from "node:module";
import readline from "node:readline";

const load = createRequire(`${process.argv[2]}/package.json`);
const { OpenAI } = load("openai");
const { Anthropic } = load("@anthropic-ai/sdk");
const { zodResponseFormat, zodTextFormat } = load("openai/helpers/zod");
const { zodOutputFormat } = load("@anthropic-ai/sdk/helpers/zod");
const { z } = load("zod");

const KINDS = { openai: OpenAI, anthropic: Anthropic };
const Weather = z.object({ place: z.string(), degrees: z.number(), sunny: z.boolean() });
const SCHEMA = {
  "chat.completions.parse": { response_format: zodResponseFormat(Weather, "weather") },
  "responses.parse": { text: { format: zodTextFormat(Weather, "weather") } },
  "messages.parse": { output_config: { format: zodOutputFormat(Weather) } },
};
const FINAL = ["finalChatCompletion", "finalResponse", "finalMessage"];
const clients = new Map();

function client({ service, base, key, retries = 0, timeout = 20, headers }) {
  const wanted = JSON.stringify([service, base, key, retries, timeout, headers]);
  if (!clients.has(wanted)) {
    const options = { baseURL: base, apiKey: key, maxRetries: retries, timeout: timeout * 1000, defaultHeaders: headers };
    clients.set(wanted, new KINDS[service](options));
  }
  return clients.get(wanted);
}

function failure(error) {
  const headers = {};
  for (const name of ["retry-after", "x-request-id", "request-id"]) {
    const value = error.headers?.get?.(name);
    if (value) headers[name] = value;
  }
  return { kind: error.constructor.name, status: error.status ?? null, body: error.error ?? null, request: error.requestID ?? null, headers };
}

const base64 = async (response) => Buffer.from(await response.arrayBuffer()).toString("base64");
// A page of a list carries its client along.
const shown = (value) => (value?.getPaginatedItems ? { ...value.body, items: value.getPaginatedItems() } : value);
const whole = (value) => ({ value: shown(value), request: value?._request_id ?? null });

async function raw(call) {
  const { data, response, request_id } = await call.withResponse();
  return { status: response.status, headers: Object.fromEntries(response.headers), ...whole(data), request: request_id };
}

async function drain(stream, question, events) {
  if (question.take === 0) {
    stream.controller.abort();
    return { events };
  }
  for await (const event of stream) {
    events.push(event);
    if (events.length === question.take) break;
  }
  return { events };
}

async function act(question, events) {
  const path = question.do.replace(/_(.)/g, (_, letter) => letter.toUpperCase()).split(".");
  const name = path.pop();
  const owner = path.reduce((at, part) => at[part], client(question));
  const signal = question.leave ? AbortSignal.timeout(question.leave * 1000) : undefined;
  const { mode } = question;
  const { extra_body: extra, ...args } = question.args;
  Object.assign(args, extra);
  // What stands in the path is given by position, and what has no body takes only options.
  const inPath = name === "retrieve" ? Object.values(args) : [];
  const call = (body) => (["list", "retrieve"].includes(name) ? owner[name](...inPath, ...(question.service === "openai" ? [] : [{}]), { signal }) : owner[name](body, { signal }));
  if (mode === "raw") return raw(call(args));
  if (mode === "bytes") return { body: await base64(await call(args).asResponse()) };
  if (mode === "events") return drain(await call({ ...args, stream: true }), question, events);
  if (mode === "helper") {
    const stream = owner[name](args);
    const drained = await drain(stream, question, events);
    return { ...drained, final: await stream[FINAL.find((one) => stream[one])]() };
  }
  return whole(await call(mode === "parse" ? { ...args, ...SCHEMA[question.do] } : args));
}

async function answer(question) {
  const events = [];
  try {
    return await act(question, events);
  } catch (error) {
    return { error: failure(error), events };
  }
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const question = JSON.parse(line);
  answer(question).then((found) => process.stdout.write(`${JSON.stringify({ ...found, number: question.number })}\n`));
}

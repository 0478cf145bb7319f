"use strict";

// Text from models and users enters the page as text nodes only: nothing here parses markup.

const byId = (id) => document.getElementById(id);
const payload = byId("payload");

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function decimal(value) {
  if (value === null || value === undefined) return "n/a";
  const text = Math.abs(value).toFixed(2).replace(/^0/, "");
  return value < 0 && text !== ".00" ? `−${text}` : text;
}

function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
  element.append(...children);
  return element;
}

// Into the text node that is there: cheaper than another one.
function setText(element, text) {
  const only = element.firstChild;
  if (only?.nodeType === Node.TEXT_NODE && only === element.lastChild) only.data = text;
  else element.textContent = text;
}

function interval(low, high) {
  return low === null || high === null ? "no interval" : `[${decimal(low)}, ${decimal(high)}]`;
}

// A diverging colour: the hue says the sign, the size from 0 to 1 how far from nothing.
function tint(element, value) {
  element.style.setProperty("--hue", value < 0 ? "var(--down)" : "var(--up)");
  element.style.setProperty("--size", Math.min(1, Math.abs(value)));
}

// ---- chunks: JSON, deflated, in base64, a line each, in the page or in a file beside it

const files = { 0: payload.textContent.split("\n") };
const waiting = {};

// Called by report-data-N.js.
function kept(number, lines) {
  waiting[number](lines);
}

function file(number) {
  files[number] ??= new Promise((resolve, reject) => {
    waiting[number] = resolve;
    const script = make("script", { src: `report-data-${number}.js` });
    script.onerror = () => reject(new Error(`report-data-${number}.js is not beside this page`));
    document.head.append(script);
  });
  return files[number];
}

async function read([number, line]) {
  const text = atob((await file(number))[line]);
  const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
  const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(plain).json();
}

// Remembers the last answers, by key, as { promise, value }; the value is there once it is known.
function remembered(answer, most) {
  const known = new Map();
  return (key) => {
    const entry = known.get(key) ?? { value: null, promise: answer(key) };
    if (!known.delete(key)) entry.promise.then((value) => { entry.value = value; }, () => {});
    known.set(key, entry); // last in line: the longest unasked goes first
    if (known.size > most) known.delete(known.keys().next().value);
    return entry;
  };
}

// ---- formulas

// Bounded, as LONGEST_FORMULA is: what opens and never closes is searched no further.
const FORMULA = /\$\$([^]{1,1000}?)\$\$|\\\[([^]{1,1000}?)\\\]|\\\(([^]{1,1000}?)\\\)|\$(?!\s)([^$\n]{1,1000}?)(?<!\s)\$(?!\d)|(\\boxed\{(?:[^{}]|\{[^{}]*\})*\})/g;
const LONGEST_FORMULA = 1000;
const KATEX = { trust: false, strict: "ignore", maxSize: 10, maxExpand: 100 };

function write(element, text, displayed) {
  let end = 0;
  for (const found of typeof katex === "undefined" ? [] : text.matchAll(FORMULA)) {
    const inner = found.slice(1).find((part) => part !== undefined);
    const displayMode = displayed && (found[1] ?? found[2]) !== undefined;
    element.append(text.slice(end, found.index), formula(inner, displayMode) ?? found[0]);
    end = found.index + found[0].length;
  }
  element.append(text.slice(end));
  return element;
}

// Null where KaTeX cannot read it: then the source is shown.
function formula(source, displayMode) {
  const element = make("span");
  if (source.length > LONGEST_FORMULA) return null;
  try {
    katex.render(source, element, { ...KATEX, displayMode });
  } catch {
    return null; // a ParseError, or a RangeError where it nests too deep
  }
  return element;
}

// Shows what strangers wrote. Plain text becomes text. HTML is sanitised by DOMPurify, and then: what is simple is rebuilt from a
// short list of elements without any attribute but a checked link; everything else goes into a frame that may not run scripts,
// whose own policy loads no images from the Internet until a person asks for them.

import { el } from "./dom.mjs";
import { loadPurify } from "./vendor.mjs";

const SIMPLE = new Set(["p", "br", "div", "span", "b", "strong", "i", "em", "u", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a", "at", "emoji", "hr"]);
/** What Teams writes that HTML does not know. */
const TEAMS = ["at", "emoji", "attachment", "systemeventmessage"];
const LINK = /^(https?:|mailto:)/i;
const TALLEST = 20_000;
const ADDRESS = /\bhttps?:\/\/[^\s<>"')\]]+/g;

/**
 * Show a body: `{ contentType, content }`, as Graph has it.
 * @param {{ contentType?: string, content?: string } | null | undefined} body
 * @param {{ title: string, framed?: boolean }} told `framed` puts all HTML into a frame: mail looks as its writer wanted
 * @returns {HTMLElement}
 */
export function showBody(body, { title, framed = false }) {
  const content = body?.content ?? "";
  if (body?.contentType?.toLowerCase() !== "html") return plain(content);
  const place = el("div", { class: "body" });
  loadPurify()
    .then((purify) => {
      const fragment = purified(purify, content);
      if (!framed && isSimple(fragment)) place.replaceChildren(...rebuilt(fragment));
      else place.replaceChildren(...framedBody(fragment, title));
    })
    .catch(() => place.replaceChildren("This message cannot be shown: what makes it safe did not load."));
  return place;
}

/** The first words of a body, for lists and quotations. @param {{ contentType?: string, content?: string } | null | undefined} body @param {number} [most] */
export function firstWords(body, most = 140) {
  const html = body?.contentType?.toLowerCase() === "html";
  const text = (html ? stripped(body?.content ?? "") : (body?.content ?? "")).replace(/\s+/g, " ").trim();
  return text.length > most ? `${text.slice(0, most).trimEnd()}…` : text;
}

/** @param {string} html */
function stripped(html) {
  // only text comes out of this, and it only ever becomes text: nothing here has to be safe, just readable
  return html
    .replace(/<(style|script|head)\b[\s\S]*?<\/\1>/gi, " ")
    .replace(/<[^>]*>/g, " ")
    .replace(/&nbsp;/g, " ")
    .replace(/&lt;/g, "<")
    .replace(/&gt;/g, ">")
    .replace(/&quot;/g, '"')
    .replace(/&#39;/g, "'")
    .replace(/&amp;/g, "&");
}

/** @param {string} text */
function plain(text) {
  return el("div", { class: "body plain" }, ...linked(text));
}

/** Make links of the addresses in a text. @param {string} text @returns {(Node | string)[]} */
function linked(text) {
  const parts = [];
  let end = 0;
  for (const found of text.matchAll(ADDRESS)) {
    parts.push(text.slice(end, found.index), link(found[0], found[0]));
    end = found.index + found[0].length;
  }
  return [...parts, text.slice(end)];
}

/** @param {string} href @param {...(Node | string)} children */
function link(href, ...children) {
  return el("a", { href, target: "_blank", rel: "noopener noreferrer" }, ...children);
}

/** @param {import("dompurify").DOMPurify} purify @param {string} html @returns {DocumentFragment} */
function purified(purify, html) {
  const fragment = purify.sanitize(html, {
    RETURN_DOM_FRAGMENT: true,
    ADD_TAGS: TEAMS,
    FORBID_TAGS: ["form", "input", "button", "textarea", "select", "option", "dialog", "audio", "video", "svg", "math", "template", "slot"],
    FORBID_ATTR: ["srcset", "ping", "autofocus", "popover", "popovertarget", "tabindex", "accesskey", "contenteditable", "id", "name", "is"],
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
  });
  for (const each of fragment.querySelectorAll("a, area")) {
    if (!LINK.test(each.getAttribute("href") ?? "")) each.removeAttribute("href");
    each.setAttribute("target", "_blank");
    each.setAttribute("rel", "noopener noreferrer");
  }
  for (const each of fragment.querySelectorAll("attachment, systemeventmessage")) each.remove();
  return fragment;
}

/** @param {DocumentFragment} fragment */
function isSimple(fragment) {
  return [...fragment.querySelectorAll("*")].every((each) => SIMPLE.has(each.localName));
}

/** @param {Node} from @param {boolean} [inLink] @returns {(Node | string)[]} */
function rebuilt(from, inLink = false) {
  return [...from.childNodes].flatMap((node) => {
    if (node.nodeType === Node.TEXT_NODE) return inLink ? [node.textContent ?? ""] : linked(node.textContent ?? "");
    if (!(node instanceof Element)) return [];
    const children = rebuilt(node, inLink || node.localName === "a");
    switch (node.localName) {
      case "a": {
        const href = node.getAttribute("href");
        return [href ? link(href, ...children) : el("span", {}, ...children)];
      }
      case "at":
        return [el("span", { class: "mention" }, ...children)];
      case "emoji":
        return [node.getAttribute("alt") ?? ""];
      default:
        return [el(/** @type {any} */ (node.localName), {}, ...children)];
    }
  });
}

/** @param {DocumentFragment} fragment @param {string} title @returns {HTMLElement[]} */
function framedBody(fragment, title) {
  const remote = countRemoteImages(fragment);
  const frame = openFrame("frame.html", fragment, title);
  if (!remote) return [frame];
  const words = remote === 1 ? "An image from the Internet was" : `${remote} images from the Internet were`;
  const notice = el(
    "p",
    { class: "blocked" },
    `${words} not loaded: loading would tell the sender that you read this. `,
    el("button", { type: "button", class: "quiet", onclick: () => load() }, "Load images"),
  );
  const place = el("div", {}, notice, frame);
  const load = () => place.replaceChildren(openFrame("frame-images.html", fragment, title));
  return [place];
}

/** @param {DocumentFragment} fragment */
function countRemoteImages(fragment) {
  const named = [...fragment.querySelectorAll("img[src]")].filter((each) => /^(https?:)?\/\//i.test(each.getAttribute("src") ?? ""));
  const styled = [...fragment.querySelectorAll("[style], [background]")].filter((each) =>
    /url\s*\(|^https?:/i.test(`${each.getAttribute("style") ?? ""}${each.getAttribute("background") ?? ""}`),
  );
  return named.length + styled.length;
}

/** @param {string} file @param {DocumentFragment} fragment @param {string} title */
function openFrame(file, fragment, title) {
  const frame = el("iframe", {
    title,
    class: "paper",
    src: `/api/app/${file}`,
    sandbox: "allow-same-origin allow-popups allow-popups-to-escape-sandbox",
    referrerpolicy: "no-referrer",
    onload: () => {
      const inside = frame.contentDocument;
      if (!inside || !inside.body) return;
      inside.title = title;
      inside.body.replaceChildren(inside.importNode(fragment, true));
      const fit = () => {
        frame.style.height = `${Math.min(TALLEST, inside.documentElement.scrollHeight)}px`;
      };
      new ResizeObserver(fit).observe(inside.body);
      for (const image of inside.images) image.addEventListener("load", fit);
      fit();
    },
  });
  return frame;
}

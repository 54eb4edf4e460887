// The service worker: keeps the page's own files, so that it opens without a network. The server puts a line above this one that
// says which version this is and which files belong to it.
//
// A version is kept whole or not at all, so that no page is made of two. What the API answers is never kept here: it depends on
// who asks, and lives in IndexedDB, where signing out removes it.

const { version, files } = self.EARSHOT;
const HOME = "/api/app";
const KEPT = `earshot-${version}`;
const CONFIG = `${HOME}/config.json`;

self.addEventListener("install", (event) => {
  event.waitUntil(keep().then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(forgetOthers().then(() => self.clients.claim()));
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin) return;
  if (url.pathname !== HOME && !url.pathname.startsWith(`${HOME}/`)) return;
  event.respondWith(url.pathname === CONFIG ? freshOrKept(request) : keptOrFresh(request, url));
});

async function keep() {
  const cache = await caches.open(KEPT);
  const addresses = [HOME, CONFIG, ...files.map((file) => `${HOME}/${file}`)];
  await cache.addAll(addresses.map((address) => new Request(address, { cache: "no-cache" })));
}

async function forgetOthers() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith("earshot-") && name !== KEPT).map((name) => caches.delete(name)));
}

async function keptOrFresh(request, url) {
  const cache = await caches.open(KEPT);
  const address = url.pathname === `${HOME}/` ? HOME : url.pathname;
  return (await cache.match(address)) ?? fetch(request);
}

async function freshOrKept(request) {
  const cache = await caches.open(KEPT);
  try {
    const answer = await fetch(request);
    if (answer.ok) await cache.put(CONFIG, answer.clone());
    return answer;
  } catch (problem) {
    const kept = await cache.match(CONFIG);
    if (kept) return kept;
    throw problem;
  }
}

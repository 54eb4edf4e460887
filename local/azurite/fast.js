'use strict';
// Starts the npm package Azurite as it is, minus four full scans in its in-memory store that make queues crawl with a
// backlog, stall all services for seconds every minute, and slow every row down with the size of its partition. The package on
// disk is not touched.
//   1. Every message operation first looks through all messages of the account for expired ones: once a second is enough.
//   2. Messages are looked up by account before they are looked up by id: the other way round uses the index.
//   3. Collecting garbage re-indexes everything once for each deleted message: remove by document instead.
//   4. A row is looked up among all of its partition: by its row key first, the index finds it.
const path = require('path');
const base = path.dirname(require.resolve('azurite/package.json', { paths: [path.join(__dirname, '..')] }));
const Messages = require(base + '/dist/src/queue/persistence/LokiQueueMetadataStore.js').default;
const Tables = require(base + '/dist/src/table/persistence/LokiTableMetadataStore.js').default;
const Extents = require(base + '/dist/src/common/persistence/LokiExtentMetadataStore.js').default;

const { clearExpiredMessages, init } = Messages.prototype;
const lastCleared = new Map();
Messages.prototype.clearExpiredMessages = function (account, queue, context) {
  const key = account + '/' + queue;
  const now = Date.now();
  if (now - (lastCleared.get(key) || 0) < 1000) return this.checkQueueExist(account, queue, context);
  lastCleared.set(key, now);
  return clearExpiredMessages.call(this, account, queue, context);
};

Messages.prototype.init = async function () {
  await init.call(this);
  const messages = this.db.getCollection(this.MESSAGES_COLLECTION);
  const findOne = messages.findOne;
  messages.findOne = function (query) {
    if (!query || !query.messageId) return findOne.call(this, query);
    const { messageId, ...rest } = query;
    return findOne.call(this, { messageId, ...rest });
  };
};

Extents.prototype.deleteExtent = async function (id) {
  const extents = this.db.getCollection(this.EXTENTS_COLLECTION);
  const found = extents.findOne({ id });
  if (found) extents.remove(found);
};

const { createCollectionForTable } = Tables.prototype;
Tables.prototype.createCollectionForTable = function (table) {
  createCollectionForTable.call(this, table);
  const rows = this.db.getCollection(this.getTableCollectionName(table.account, table.table));
  const findOne = rows.findOne;
  rows.findOne = function (query) {
    if (!query || query.RowKey === undefined) return findOne.call(this, query);
    const { RowKey, ...rest } = query;
    return findOne.call(this, { RowKey, ...rest });
  };
};

// Whoever started us holds the other end of our input; when that is gone, even by kill -9, so are we.
process.stdin.on('end', () => process.exit(0)).resume();
process.stdin.unref(); // listening for that must not keep us alive after SIGTERM

require(base + '/dist/src/azurite.js');

// Drives a coordinator with node-zookeeper-client: node node_zookeeper.js host:port
const zookeeper = require("node-zookeeper-client");
const assert = require("assert");

const client = zookeeper.createClient(process.argv[2], { sessionTimeout: 10000, retries: 0 });

function call(method, ...args) {
  return new Promise((resolve, reject) => {
    client[method](...args, (error, ...results) => (error ? reject(error) : resolve(results)));
  });
}

async function main() {
  const [path] = await call("create", "/node", Buffer.from("one"));
  assert.strictEqual(path, "/node");
  let told;
  const event = new Promise((resolve) => (told = resolve));
  const [data, stat] = await call("getData", "/node", told);
  assert.strictEqual(data.toString(), "one");
  assert.strictEqual(stat.version, 0);
  await call("setData", "/node", Buffer.from("two"), 0);
  assert.strictEqual((await event).getName(), "NODE_DATA_CHANGED");
  await assert.rejects(call("setData", "/node", Buffer.from("three"), 0), /BAD_VERSION/);

  const [sequential] = await call(
    "create", "/node/n-", null, zookeeper.CreateMode.EPHEMERAL_SEQUENTIAL);
  assert.strictEqual(sequential, "/node/n-0000000000");
  const [children] = await call("getChildren", "/node");
  assert.deepStrictEqual(children, ["n-0000000000"]);
  const [acls] = await call("getACL", "/node");
  assert.strictEqual(acls[0].id.scheme, "world");
  assert.strictEqual((await call("exists", "/none"))[0], null);

  await new Promise((resolve, reject) => {
    client.transaction()
      .create("/node/m", Buffer.from("m")).check("/node", 1).setData("/node", Buffer.from("x"), 1)
      .remove(sequential)
      .commit((error) => (error ? reject(error) : resolve()));
  });
  await new Promise((resolve, reject) => {
    client.transaction().create("/node/lost").check("/node", 7).commit((error, results) => {
      if (!error) { reject(new Error("committed")); return; }
      resolve(results);
    });
  });
  assert.strictEqual((await call("exists", "/node/lost"))[0], null);
  await call("removeRecursive", "/node", -1);
  assert.strictEqual((await call("exists", "/node"))[0], null);
}

client.once("connected", () => {
  main().then(
    () => { console.log("passed"); client.close(); },
    (error) => { console.error(error); process.exit(1); },
  );
});
client.connect();

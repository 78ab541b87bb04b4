// Makes the replica set of one and the gateway's user, by mongosh; safe to run again, and to change the password with.
const fs = require("fs");
const secret = (name) => fs.readFileSync(`/run/secrets/${name}`, "utf8").trim();
const options = "directConnection=true&serverSelectionTimeoutMS=2000";
const url = `mongodb://root:${encodeURIComponent(secret("mongodb_root_password"))}@mongodb:27017/admin?${options}`;

// The server answers itself while it is set up, before it listens to others.
function until(what, attempt) {
  for (let tries = 0; tries < 120; tries++) {
    try {
      const found = attempt();
      if (found) return found;
    } catch (error) {
      if (error.codeName === "AuthenticationFailed") throw error;
    }
    sleep(500);
  }
  throw new Error(`${what}: waited for a minute in vain`);
}

const admin = until("the server's answer", () => {
  const database = new Mongo(url).getDB("admin");
  return database.runCommand({ ping: 1 }).ok ? database : null;
});
try {
  admin.adminCommand({ replSetGetStatus: 1 });
} catch (error) {
  if (error.codeName !== "NotYetInitialized") throw error;
  admin.adminCommand({ replSetInitiate: { _id: "rs0", members: [{ _id: 0, host: "mongodb:27017" }] } });
}
until("a primary", () => admin.runCommand({ hello: 1 }).isWritablePrimary);

const store = admin.getSiblingDB("protes");
const user = { pwd: secret("mongodb_password"), roles: [{ role: "readWrite", db: "protes" }] };
if (store.getUser("protes") === null) store.createUser({ user: "protes", ...user });
else store.updateUser("protes", user);
print("the replica set and the gateway's user are there");

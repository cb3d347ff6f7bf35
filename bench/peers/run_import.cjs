// mixpanel-import over the same events, in memory, 10 workers. Pointed at loopback by a Pool of undici whose
// origin is ours: its own addresses are constants. argv: file of events as a JSON array, "gzip" or "plain".
const fs = require("fs");
const undici = require("undici");

const Pool = undici.Pool;
undici.Pool = class extends Pool {
  constructor(_origin, options) {
    super(process.env.MIXPANEL_API_URL, options);
  }
};
const send = require("mixpanel-import");

const events = JSON.parse(fs.readFileSync(process.argv[2]));
const options = {
  recordType: "event",
  workers: Number(process.argv[4] || 10),
  recordsPerBatch: 2000,
  compress: process.argv[3] === "gzip",
  compressionLevel: 1,
  transport: "undici",
  abridged: true,
  logs: false,
  verbose: false,
  showProgress: false,
  strict: true,
};
const credentials = { acct: "bench", pass: "bench", project: "1", token: "token" };

(async () => {
  const cpu = process.cpuUsage();
  const began = process.hrtime.bigint();
  const result = await send(credentials, events, options);
  const wall_s = Number(process.hrtime.bigint() - began) / 1e9;
  const { user, system } = process.cpuUsage(cpu);
  if (result.success !== events.length) throw new Error(`${result.success} of ${events.length} sent`);
  const cpu_s_per_100k = ((user + system) / 1e6 / events.length) * 1e5;
  console.log(JSON.stringify({ cpu_s_per_100k, events_per_s: events.length / wall_s, wall_s }));
  process.exit(0);
})();

// Import the events of the file argv[2] with mixpanel-import while Mixpanel fails; say what it raised and reported.
// Pointed at loopback as in run_import.cjs; all options are the client's defaults.
const fs = require("fs");
const undici = require("undici");

const Pool = undici.Pool;
undici.Pool = class extends Pool {
  constructor(_origin, options) {
    super(process.env.MIXPANEL_API_URL, options);
  }
};
const send = require("mixpanel-import");

const credentials = { acct: "bench", pass: "bench", project: "1", token: "token" };
console.log("ready");
fs.readFileSync(0);

(async () => {
  const said = { raised: {} };
  try {
    const results = await send(credentials, process.argv[2], { recordType: "event" });
    said.reported = { sent: results.success, failed: results.failed };
  } catch (error) {
    said.raised[error.name] = 1;
  }
  console.log("\n" + JSON.stringify(said));
  process.exit(0);
})();

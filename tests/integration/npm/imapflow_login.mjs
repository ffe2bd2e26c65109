// Logs in and out by imapflow. Reads {host, port, auth} from standard input as JSON and writes
// whether it was let in.
import { readFileSync } from 'node:fs';
import { ImapFlow } from 'imapflow';

const request = JSON.parse(readFileSync(0, 'utf8'));
const client = new ImapFlow({ ...request, secure: true, logger: false });
client.on('error', () => {});
let accepted = true;
try {
  await client.connect();
  await client.noop();
  await client.logout();
} catch (error) {
  if (!error.authenticationFailed) throw error;
  accepted = false;
  client.close();
}
process.stdout.write(JSON.stringify({ accepted }));

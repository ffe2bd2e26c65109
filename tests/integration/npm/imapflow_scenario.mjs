// A mailbox's day by imapflow. Reads a request (where, who, which files) from standard input as
// JSON and writes what it saw to standard output, without what differs from run to run.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { ImapFlow } from 'imapflow';

const request = JSON.parse(readFileSync(0, 'utf8'));
const small = readFileSync(request.small);
const large = readFileSync(request.large);
const date = new Date('2026-02-05T12:00:00Z');

async function connect() {
  const client = new ImapFlow({
    host: request.host,
    port: request.port,
    secure: request.tls === 'implicit',
    doSTARTTLS: request.tls === 'starttls',
    auth: { user: request.user, pass: request.password },
    logger: false,
    maxIdleTime: 60_000,
  });
  client.on('error', (error) => {
    console.error(error);
    process.exitCode = 1;
  });
  await client.connect();
  return client;
}

async function stateOf(client) {
  const messages = [];
  const wanted = {
    uid: true, flags: true, envelope: true, size: true, internalDate: true, bodyStructure: true,
  };
  for await (const message of client.fetch('1:*', wanted)) {
    message.flags.delete('\\Recent');
    messages.push({
      seq: message.seq, uid: message.uid, flags: [...message.flags].sort(), size: message.size,
      subject: message.envelope.subject, date: message.internalDate,
      type: message.bodyStructure.type,
    });
  }
  return messages;
}

const said = {};
const phone = await connect();
const laptop = await connect();
said.capabilities = [...phone.capabilities.keys()].sort();
await phone.mailboxCreate('Ideen/Entwürfe');
said.folders = (await phone.list()).map((folder) => [folder.path, [...folder.flags].sort()]).sort();
await phone.append('INBOX', small, ['\\Seen'], date);
await phone.append('INBOX', large, [], date);

await phone.mailboxOpen('INBOX');
await laptop.mailboxOpen('INBOX');
said.before = await stateOf(phone);
const download = await phone.download('2', undefined);
const digest = createHash('sha256');
for await (const chunk of download.content) digest.update(chunk);
said.large = digest.digest('hex');
said.found = await phone.search({ subject: 'Message 3' });

const pushed = new Promise((resolve) => phone.once('exists', (event) => resolve(event.count)));
const idling = phone.idle();
await laptop.append('INBOX', small, ['\\Flagged'], date);
said.pushed = await pushed;
await phone.noop();
await idling;

await phone.messageFlagsAdd('1', ['\\Answered', '$Label1']);
await phone.messageMove('1', 'Ideen/Entwürfe');
await phone.messageCopy('1', 'Ideen/Entwürfe');
await phone.messageDelete('2');
said.after = await stateOf(phone);
const lock = await laptop.getMailboxLock('Ideen/Entwürfe');
said.moved = await stateOf(laptop);
lock.release();
const { messages, unseen } = await laptop.status('INBOX', { messages: true, unseen: true });
said.status = { messages, unseen };
await laptop.logout();
await phone.logout();
process.stdout.write(JSON.stringify(said));

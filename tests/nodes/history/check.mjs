// Checks a history of what clients did in sessions, in the manner of Elle's lists: each question has a text of
// its own, sessions only grow, and each read returns a whole session. So a read tells the order of all that
// was written before it, and everything that cannot be is found by comparing reads with each other and with
// what was acknowledged. An operation touches one session, so sessions are checked one by one.
//
// An operation is {client, session, kind, invoked, completed}: the moments are numbers of one order.
// Of kind 'append': {text, outcome, questionId?, replyId?}; outcomes:
//   'ok'       the whole reply came: both rows are stored, the reply is complete
//   'begun'    the question is stored, the reply was cut off
//   'refused'  nothing is stored
//   'unknown'  (or none: not completed) it may be stored
// Of kind 'read': {rows, last?}; rows as /messages has them; `last` when nothing runs any more.

/** The questions of a read, each with its reply: {text, question, reply, parent}. */
function turnsOf(rows, report) {
  const turns = [];
  for (let i = 0; i < rows.length; i += 2) {
    const [question, reply] = [rows[i], rows[i + 1]];
    if (question.role !== 'user') report('unpaired', `message ${question.id} is no question`);
    if (reply?.role !== 'assistant') report('unpaired', `question ${question.id} has no reply behind it`);
    if (reply && reply.parent_id !== question.id) report('unpaired', `reply ${reply.id} answers ${reply.parent_id}, not ${question.id}`);
    const before = i ? rows[i - 1].id : null;
    if ((question.parent_id ?? null) !== before) report('forked', `question ${question.id} follows ${question.parent_id}, not ${before}`);
    if (question.siblings?.length > 1) report('forked', `${question.siblings} follow one message`);
    if (reply?.siblings?.length > 1) report('answered twice', `${reply.siblings} answer question ${question.id}`);
    if (reply && (question.id >= reply.id || (i && question.id <= before))) report('reordered', `ids at ${question.id}`);
    turns.push({ text: question.content, question, reply });
  }
  return turns;
}

/** A read by itself: every question at most once, sent by somebody, with a reply that is an echo of it. */
function checkRead(read, sent, report) {
  const seen = new Set();
  for (const { text, question, reply } of read.turns) {
    const append = sent.get(text);
    if (seen.has(text)) report('doubled', `'${text}' is there twice`);
    seen.add(text);
    if (!append) {
      report('never sent', `'${text}'`);
      continue;
    }
    if (append.invoked > read.completed) report('never sent', `'${text}', when it was read`);
    if (append.outcome === 'refused') report('refused', `'${text}' is stored`);
    if (append.questionId && append.questionId !== question.id) report('doubled', `'${text}' was told as ${append.questionId} and is ${question.id}`);
    if (append.replyId && reply && append.replyId !== reply.id) report('doubled', `the reply to '${text}' was told as ${append.replyId} and is ${reply.id}`);
    if (reply && !text.startsWith(reply.content)) report('wrong text', `reply ${reply.id}: '${reply.content}'`);
    if (reply?.status === 'complete' && reply.content !== text) report('wrong text', `reply ${reply.id} is complete: '${reply.content}'`);
    if (reply && append.outcome === 'ok' && append.completed < read.invoked && reply.status !== 'complete') {
      report('lost', `reply ${reply.id} was told whole and is ${reply.status}`);
    }
    if (read.last && reply?.status === 'streaming') report('unfinished', `reply ${reply.id}`);
  }
}

/** The order in which questions are stored does not go against that in which they were sent. */
function checkRealTime(longest, sent, report) {
  let latest;
  for (const { text } of longest.turns) {
    const append = sent.get(text);
    if (!append) continue;
    const known = ['ok', 'begun'].includes(append.outcome); // else it may be stored after it was given up
    if (latest && known && append.completed < latest.invoked) {
      report('reordered', `'${text}' was acknowledged before '${latest.text}' was sent, and stands behind it`);
    }
    if (!latest || append.invoked > latest.invoked) latest = append;
  }
}

/** What one read had that came before another one is there, unchanged. */
function checkGrowth(earlier, later, report) {
  for (let i = 0; i < earlier.turns.length; i += 1) {
    const [before, after] = [earlier.turns[i], later.turns[i]];
    if (!after) {
      report('went back', `${earlier.turns.length} questions, then ${later.turns.length}`);
      return;
    }
    if (before.text !== after.text || before.question.id !== after.question.id) {
      report('reordered', `at ${i}: '${before.text}', then '${after.text}'`);
      return;
    }
    const ended = before.reply && before.reply.status !== 'streaming';
    if (ended && (after.reply?.id !== before.reply.id || after.reply.status !== before.reply.status
      || after.reply.content !== before.reply.content)) {
      report('changed', `reply ${before.reply.id} had ended as ${before.reply.status}, and is ${after.reply?.status}: '${after.reply?.content}'`);
    }
  }
}

/** What was acknowledged before a read began is in it. */
function checkFresh(read, appends, report) {
  const there = new Set(read.turns.map(({ text }) => text));
  for (const append of appends) {
    if (append.completed < read.invoked && ['ok', 'begun'].includes(append.outcome) && !there.has(append.text)) {
      if (read.last) report('lost', `'${append.text}'`);
      else report(append.client === read.client ? 'own write unseen' : 'stale', `'${append.text}'`);
    }
  }
}

/** Reads that overlap in time come in either order, but of one list. */
function checkOneOrder(read, longest, report) {
  read.turns.forEach(({ text }, i) => {
    if (longest.turns[i]?.text !== text) report('reordered', `at ${i}: '${text}' for one reader, '${longest.turns[i]?.text}' for another`);
  });
}

function checkSession(session, operations, found) {
  const report = (client) => (kind, detail) => found.push({ kind, session, client, detail });
  const appends = operations.filter(({ kind }) => kind === 'append');
  const reads = operations.filter(({ kind, completed }) => kind === 'read' && completed !== undefined)
    .sort((a, b) => a.completed - b.completed)
    .map((read) => ({ ...read, turns: turnsOf(read.rows, report(read.client)) }));
  if (reads.length === 0) return;
  const sent = new Map(appends.map((append) => [append.text, append]));
  const longest = reads.reduce((a, b) => (b.turns.length > a.turns.length ? b : a));
  checkRealTime(longest, sent, report());
  for (const read of reads) {
    checkRead(read, sent, report(read.client));
    checkFresh(read, appends, report(read.client));
    checkOneOrder(read, longest, report(read.client));
    const before = reads.filter(({ completed }) => completed < read.invoked);
    if (before.length > 0) {
      checkGrowth(before.reduce((a, b) => (b.turns.length >= a.turns.length ? b : a)), read, report(read.client));
    }
  }
}

/** The anomalies of a history: [{kind, session, client, detail}]. */
export function check(operations) {
  const found = [];
  const sessions = new Map();
  for (const operation of operations) {
    if (!sessions.has(operation.session)) sessions.set(operation.session, []);
    sessions.get(operation.session).push(operation);
  }
  for (const [session, of] of sessions) checkSession(session, of, found);
  return found;
}

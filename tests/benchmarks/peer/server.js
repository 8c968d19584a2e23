// The peer: the same contract as a careful team would write it with the usual packages.
//
// It is not made slow: connections are pooled, statements prepared once, verified tokens cached,
// Redis commands pipelined, logging off. It counts requests for Prometheus, limits by address and by
// user and sets the same headers, because the contract asks for them. GRANT=transaction (the default) is the usual way, BEGIN,
// two statements, COMMIT; GRANT=statement does the same in one statement.

import { randomUUID } from 'node:crypto'

import amqp from 'amqplib'
import jwt from '@fastify/jwt'
import Fastify from 'fastify'
import { Redis } from 'ioredis'
import pg from 'pg'
import metrics from 'prom-client'

const { DATABASE_URL, REDIS_URL, AMQP_URL, JWT_SECRET, PORT, GRANT = 'transaction' } = process.env
const LIMIT = 1_000_000
const PERIOD_SECONDS = 1
const EXCHANGE = 'peer.events'

const pool = new pg.Pool({ connectionString: DATABASE_URL, max: 10 })
const redis = new Redis(REDIS_URL, { enableAutoPipelining: true, keyPrefix: 'peer:' })
const broker = await amqp.connect(AMQP_URL)
const channel = await broker.createChannel()
await channel.assertExchange(EXCHANGE, 'fanout', { durable: true })

// --- the grant

const INSERT = {
  name: 'insert',
  text: `INSERT INTO ledger (user_id, action_id, points_granted)
    SELECT $1, action_id, points FROM actions WHERE action_id = $2
    ON CONFLICT ON CONSTRAINT unique_user_action DO NOTHING
    RETURNING points_granted, submitted_at`,
}
const RAISE = {
  name: 'raise',
  text: `INSERT INTO scores AS present (user_id, score, updated_at) VALUES ($1, $2, now())
    ON CONFLICT (user_id) DO UPDATE
    SET score = present.score + excluded.score, updated_at = now() RETURNING score`,
}
const BOTH = {
  name: 'both',
  text: `WITH granted AS (
      INSERT INTO ledger (user_id, action_id, points_granted)
      SELECT $1, action_id, points FROM actions WHERE action_id = $2
      ON CONFLICT ON CONSTRAINT unique_user_action DO NOTHING
      RETURNING user_id, points_granted, submitted_at
    ), raised AS (
      INSERT INTO scores AS present (user_id, score, updated_at)
      SELECT user_id, points_granted, now() FROM granted
      ON CONFLICT (user_id) DO UPDATE
      SET score = present.score + excluded.score, updated_at = now() RETURNING score
    ) SELECT points_granted, submitted_at, score FROM granted, raised`,
}
const TOP = {
  name: 'top',
  text: `SELECT user_id AS "userId", username, score FROM scores JOIN users USING (user_id)
    WHERE NOT scores.hidden
    ORDER BY score DESC, scores.updated_at, user_id LIMIT 10`,
}

async function grantInTransaction (userId, actionId) {
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    const { rows: [granted] } = await client.query({ ...INSERT, values: [userId, actionId] })
    if (!granted) {
      await client.query('ROLLBACK')
      return null
    }
    const { rows: [raised] } =
      await client.query({ ...RAISE, values: [userId, granted.points_granted] })
    await client.query('COMMIT')
    return { ...granted, ...raised }
  } catch (error) {
    await client.query('ROLLBACK')
    throw error
  } finally {
    client.release()
  }
}

async function grantInStatement (userId, actionId) {
  const { rows: [granted] } = await pool.query({ ...BOTH, values: [userId, actionId] })
  return granted
}

const grant = GRANT === 'statement' ? grantInStatement : grantInTransaction

// --- the board

let version = 1
let tenth = 0

async function renewBoard () {
  const { rows } = await pool.query(TOP)
  tenth = rows.length === 10 ? rows[9].score : 0
  version += 1
  const board = JSON.stringify({
    success: true, data: rows, version, timestamp: new Date().toISOString()
  })
  await redis.hset('leaderboard', { version, board })
  channel.publish(EXCHANGE, '', Buffer.from(board), { contentType: 'application/json' })
}

// --- the edge

const app = Fastify({ logger: false, requestIdHeader: 'x-request-id', genReqId: () => randomUUID() })
const requests = new metrics.Counter({
  name: 'http_requests_total', help: 'Requests', labelNames: ['method', 'route', 'status']
})
const seconds = new metrics.Histogram({
  name: 'http_request_seconds', help: 'Time to answer', labelNames: ['route']
})

app.addHook('onSend', async (request, reply) => {
  reply.headers({
    'x-request-id': request.id,
    'x-content-type-options': 'nosniff',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  })
})
app.addHook('onResponse', async (request, reply) => {
  const route = request.routeOptions.url ?? 'unmatched'
  requests.inc({ method: request.method, route, status: reply.statusCode })
  seconds.observe({ route }, reply.elapsedTime / 1000)
})
app.get('/metrics', async (_, reply) => {
  reply.type(metrics.register.contentType)
  return metrics.register.metrics()
})
await app.register(jwt, {
  secret: JWT_SECRET, verify: { algorithms: ['HS256'], allowedAud: 'scoreboard', cache: 10_000 }
})

app.setErrorHandler((error, request, reply) => {
  const status = error.statusCode === 401 ? 403 : error.statusCode ?? 500
  reply.code(status).send({ success: false, message: error.message, code: error.code ?? 'error' })
})

async function limit (request, reply) {
  const keys = [`ip:${request.ip}`]
  if (request.user) keys.push(`user:${request.user.userId}`)
  const counts = await Promise.all(keys.map(async (key) => {
    const count = await redis.incr(key)
    if (count === 1) await redis.expire(key, PERIOD_SECONDS)
    return count
  }))
  const count = Math.max(...counts)
  reply.headers({
    'ratelimit-limit': LIMIT,
    'ratelimit-remaining': Math.max(0, LIMIT - count),
    'ratelimit-reset': PERIOD_SECONDS,
    'ratelimit-policy': `${LIMIT};w=${PERIOD_SECONDS}`,
  })
  if (count > LIMIT) {
    reply.code(429).header('Retry-After', PERIOD_SECONDS)
      .send({ success: false, message: 'Too many requests', code: 'rate_limited' })
  }
}

const submission = {
  type: 'object',
  required: ['actionId'],
  properties: { actionId: { type: 'string', minLength: 1, maxLength: 100 } },
}

app.post('/api/actions', {
  schema: { body: submission },
  onRequest: [(request) => request.jwtVerify(), limit],
}, async (request, reply) => {
  const { userId } = request.user
  const { actionId } = request.body
  const granted = await grant(userId, actionId)
  if (!granted) {
    return reply.code(400)
      .send({ success: false, message: 'Already granted or unknown', code: 'refused' })
  }
  if (granted.score >= tenth) await renewBoard()
  return {
    success: true,
    message: 'Score Updated',
    data: {
      actionId, points: granted.points_granted, grantedAt: granted.submitted_at, score: granted.score
    },
  }
})

app.get('/api/leaderboard', { onRequest: limit }, async (request, reply) => {
  const [held, board] = await redis.hmget('leaderboard', 'version', 'board')
  const etag = `"${held}"`
  reply.header('ETag', etag).header('Cache-Control', 'public, max-age=0, s-maxage=1')
  if (request.headers['if-none-match'] === etag) return reply.code(304).send()
  return reply.type('application/json; charset=utf-8').send(board)
})

await renewBoard()
await app.listen({ host: '127.0.0.1', port: Number(PORT) })
process.on('SIGTERM', () => process.exit(0))

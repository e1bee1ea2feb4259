// A peer of the npm module, told what to do by lines of JSON on stdin and answering
// each with one on stdout. NODE_PATH says where the module is.
'use strict'
const fs = require('fs')
const net = require('net')
const readline = require('readline')

const [kind, id, secure] = JSON.parse(process.argv[process.argv.length - 1])
const Kind = require('scuttlebutt/' + kind)
const keys = {}
let opts = id
if (secure) {
  const security = require('scuttlebutt/security')
  for (const pem of secure.peers) {
    const text = fs.readFileSync(pem)
    keys[security({}, null, text).createId()] = text
  }
  opts = security(keys, fs.readFileSync(secure.private), fs.readFileSync(secure.public))
}
const peer = new Kind(opts)
const unverified = []
peer.on('unverified_data', u => unverified.push(u))
peer.on('invalid', () => {})

const sockets = new Set()
let server

function attach (socket, how) {
  socket.setEncoding('utf8') // otherwise a character that is cut by a read is lost
  sockets.add(socket)
  const stream = peer.createStream(how || {})
  stream.on('error', () => socket.destroy())
  socket.on('error', () => stream.destroy())
  socket.on('close', () => sockets.delete(socket))
  socket.pipe(stream).pipe(socket)
}

// when calls done once the peer's clock has reached the one given.
function when (clock, done) {
  const reached = () => Object.keys(clock).every(s => peer.sources[s] >= clock[s])
  if (reached()) return done()
  const look = () => {
    if (!reached()) return
    peer.removeListener('_update', look)
    peer.removeListener('old_data', look)
    done()
  }
  // events' own on refuses nothing, but its emit is the replicated one
  peer.on('_update', look)
  peer.on('old_data', look)
}

const commands = {
  id: (_, answer) => answer(peer.id),
  listen: (how, answer) => {
    server = net.createServer(socket => attach(socket, how)).listen(0, '127.0.0.1', () => answer(server.address().port))
  },
  connect: ({ port, how }, answer) => {
    const socket = net.connect(port, '127.0.0.1', () => { attach(socket, how); answer() })
  },
  close: (_, answer) => {
    for (const s of sockets) s.destroy()
    answer()
  },
  set: (pairs, answer) => {
    for (const [k, v] of pairs) peer.set(k, v)
    answer(peer.sources)
  },
  emit: (events, answer) => {
    for (const [name, data] of events) peer.emit(name, data)
    answer(peer.sources)
  },
  many: ([first, n], answer) => {
    for (let i = first; i < first + n; i++) kind === 'model' ? peer.set('k' + i, 'v' + i) : peer.emit('e' + i, i)
    answer(peer.sources)
  },
  fill: ([n, value], answer) => {
    for (let i = 0; i < n; i++) peer.set('k' + i, value)
    answer(peer.sources)
  },
  when: (clock, answer) => when(clock, () => answer(peer.sources)),
  clock: (_, answer) => answer(peer.sources),
  state: (_, answer) => answer(kind === 'model' ? peer.toJSON() : peer.history()),
  history: (_, answer) => answer(peer.history()),
  unverified: (_, answer) => answer(unverified),
  load: (file, answer) => {
    const stream = peer.createWriteStream()
    const from = fs.createReadStream(file, 'utf8')
    stream.on('error', err => answer({ error: String(err) }))
    from.pipe(stream)
    from.on('end', () => setImmediate(() => answer(peer.sources)))
  },
  save: (file, answer) => {
    const to = fs.createWriteStream(file)
    const stream = peer.createReadStream({ tail: false })
    to.on('close', () => answer())
    stream.pipe(to)
  },
  line: (text, answer) => { // what a relay without security would do with a line
    peer._update(JSON.parse(text))
    answer(peer.sources)
  }
}

readline.createInterface({ input: process.stdin }).on('line', line => {
  const [command, arg] = JSON.parse(line)
  commands[command](arg, result => process.stdout.write(JSON.stringify(result === undefined ? null : result) + '\n'))
}).on('close', () => process.exit())

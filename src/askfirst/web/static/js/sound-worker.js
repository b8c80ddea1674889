// The socket of a call's sound, away from the page, whose work must not stop it. Messages of the
// socket: a header of 12 bytes (version, three zeros, sequence, milliseconds; big-endian), then 20 ms
// of mono s16le at 16 kHz.
const HEADER = 12;
const FRAME = 640;
const MOST_WAITING = 8 * (HEADER + FRAME); // what a stalled line may hold back before frames go

/** @type {WebSocket | null} */
let socket = null;
let sequence = 0;

onmessage = ({ data }) => {
  if (data.close) {
    socket?.close();
    close();
    return;
  }
  open(data.url, data.port);
};

/** @param {string} url @param {MessagePort} port */
function open(url, port) {
  const opened = new WebSocket(url);
  socket = opened;
  opened.binaryType = "arraybuffer";
  opened.onopen = () => postMessage({ open: true });
  opened.onclose = ({ code }) => postMessage({ open: false, code });
  opened.onmessage = (event) => {
    if (event.data.byteLength !== HEADER + FRAME) return;
    const pcm = event.data.slice(HEADER);
    port.postMessage(pcm, [pcm]);
  };
  port.onmessage = ({ data }) => {
    sequence += 1; // also for a frame that is not sent: the other side counts it as lost
    if (opened.readyState !== WebSocket.OPEN || opened.bufferedAmount > MOST_WAITING) return;
    opened.send(pack(data.pcm, data.at));
  };
}

/** @param {ArrayBuffer} pcm @param {number} at */
function pack(pcm, at) {
  const message = new Uint8Array(HEADER + FRAME);
  const view = new DataView(message.buffer);
  view.setUint8(0, 1);
  view.setUint32(4, sequence);
  view.setUint32(8, at >>> 0);
  message.set(new Uint8Array(pcm), HEADER);
  return message;
}

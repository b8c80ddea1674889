// The agent's microphone and loudspeaker for one call: WebRTC, or a socket in a worker where no UDP
// passes. Nothing here knows consent or the light. Events: "lost" when the way to the call is gone,
// "taken" when another window or device has the sound now.

const GATHER_MS = 2000;
const CONNECT_MS = 6000;
const TAKEN_OVER = 4000; // why a socket was closed
const CONFLICT = 409; // why an offer was refused

/** Why there is no microphone: blocked, none, busy, unsafe (no https) or failed. */
export class MicrophoneError extends Error {
  /** @param {string} code */
  constructor(code) {
    super(code);
    this.code = code;
  }
}

/** Another window or device has the sound of the call. */
export class Taken extends Error {}

const CODES = /** @type {Record<string, string>} */ ({
  NotAllowedError: "blocked",
  SecurityError: "blocked",
  NotFoundError: "none",
  OverconstrainedError: "none",
  NotReadableError: "busy",
  AbortError: "busy",
});

/** The microphone; a person may be asked. Throws MicrophoneError. */
export async function microphone() {
  if (!navigator.mediaDevices) throw new MicrophoneError("unsafe");
  const audio = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
  try {
    return await navigator.mediaDevices.getUserMedia({ audio });
  } catch (error) {
    const name = error instanceof Error ? error.name : "";
    throw new MicrophoneError(CODES[name] ?? "failed");
  }
}

export class Sound extends EventTarget {
  /**
   * @param {MediaStream} stream the microphone's
   * @param {{worker: string, worklet: string}} files addresses of the two scripts of the socket
   * @param {HTMLAudioElement} output what WebRTC plays through
   */
  constructor(stream, files, output) {
    super();
    this.stream = stream;
    this.files = files;
    this.output = output;
    /** How the sound travels: "", "webrtc" or "socket". */
    this.way = "";
    this.isClosed = false;
    /** What the server knows this sound by. */
    this.window = [...crypto.getRandomValues(new Uint32Array(4))].join("-");
    /** @type {() => void} */
    this.undo = () => undefined;
  }

  /** Whether a sound sent now would arrive. */
  get isConnected() {
    return this.way !== "";
  }

  /**
   * Connect to a call, in the place of what was there. `again` is for after a loss: then it throws
   * Taken where another window or device came meanwhile.
   * @param {string} call @param {boolean} [again]
   */
  async connect(call, again = false) {
    this.drop();
    try {
      if (!globalThis.RTCPeerConnection) throw new Error("no WebRTC here");
      await this.byWebRtc(call, again);
    } catch (error) {
      this.drop();
      if (error instanceof Taken) throw error;
      if (!this.isClosed) await this.bySocket(call, again);
    }
  }

  /** @param {boolean} on */
  mute(on) {
    for (const track of this.stream.getAudioTracks()) track.enabled = !on;
  }

  /** Give back the microphone and everything else. */
  close() {
    this.isClosed = true;
    this.drop();
    for (const track of this.stream.getTracks()) track.stop();
  }

  drop() {
    this.way = "";
    const undo = this.undo;
    this.undo = () => undefined;
    undo();
  }

  /** @param {string} [kind] */
  lose(kind = "lost") {
    if (this.isClosed || !this.isConnected) return;
    this.drop();
    this.dispatchEvent(new Event(kind));
  }

  /** @param {string} call @param {boolean} again */
  async byWebRtc(call, again) {
    const connection = new RTCPeerConnection();
    this.undo = () => {
      connection.onconnectionstatechange = null;
      connection.close();
      this.output.srcObject = null;
    };
    connection.ontrack = ({ track }) => {
      this.output.srcObject = new MediaStream([track]);
      void this.output.play().catch(() => undefined);
    };
    for (const track of this.stream.getAudioTracks()) connection.addTrack(track, this.stream);
    await connection.setLocalDescription(await connection.createOffer());
    await until(connection, "icegatheringstatechange", GATHER_MS, () => {
      return connection.iceGatheringState === "complete";
    });
    const answer = await fetch(`/api/v1/calls/${call}/leg`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        offer: connection.localDescription?.sdp,
        window: this.window,
        again,
      }),
    });
    if (answer.status === CONFLICT) throw new Taken();
    if (!answer.ok) throw new Error("the offer was refused");
    const { answer: sdp } = await answer.json();
    await connection.setRemoteDescription({ type: "answer", sdp });
    const isThere = () => connection.connectionState === "connected";
    await until(connection, "connectionstatechange", CONNECT_MS, isThere);
    if (!isThere()) throw new Error("no way was found");
    this.way = "webrtc";
    connection.onconnectionstatechange = () => {
      if (["failed", "closed", "disconnected"].includes(connection.connectionState)) this.lose();
    };
  }

  /** @param {string} call @param {boolean} again */
  async bySocket(call, again) {
    const context = audioContext();
    const worker = new Worker(this.files.worker);
    /** @type {(why: Error) => void} */
    let fail = () => undefined;
    this.undo = () => {
      worker.postMessage({ close: true });
      void context.close();
      fail(new Error("the sound was closed")); // a closed worker says nothing any more
    };
    await context.audioWorklet.addModule(this.files.worklet);
    if (this.isClosed) throw new Error("the sound was closed");
    const node = new AudioWorkletNode(context, "askfirst-sound", { outputChannelCount: [1] });
    context.createMediaStreamSource(this.stream).connect(node).connect(context.destination);
    const wire = new MessageChannel();
    node.port.postMessage({ port: wire.port1 }, [wire.port1]);
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const url = `${scheme}://${location.host}/api/v1/calls/${call}/sound?window=${this.window}&again=${again}`;
    await new Promise((resolve, reject) => {
      fail = reject;
      worker.onmessage = ({ data }) => {
        const isTaken = data.code === TAKEN_OVER;
        if (data.open) resolve(undefined);
        else if (this.isConnected) this.lose(isTaken ? "taken" : "lost");
        else reject(isTaken ? new Taken() : new Error("the socket was refused"));
      };
      worker.postMessage({ url, port: wire.port2 }, [wire.port2]);
    });
    if (this.isClosed) throw new Error("the sound was closed");
    this.way = "socket";
    await context.resume();
  }
}

function audioContext() {
  try {
    return new AudioContext({ sampleRate: 16000 });
  } catch {
    return new AudioContext(); // the worklet changes the rate then
  }
}

/**
 * Wait until something holds, looked at again with each event, at most so long.
 * @param {EventTarget} target @param {string} name @param {number} ms @param {() => boolean} holds
 */
function until(target, name, ms, holds) {
  return new Promise((resolve) => {
    const look = () => {
      if (holds()) done();
    };
    const done = () => {
      clearTimeout(timer);
      target.removeEventListener(name, look);
      resolve(undefined);
    };
    const timer = setTimeout(done, ms);
    target.addEventListener(name, look);
    look();
  });
}

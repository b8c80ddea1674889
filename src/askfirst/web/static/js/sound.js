// The agent's microphone and loudspeaker for one call: WebRTC, or a socket in a worker where no UDP
// passes. Nothing here knows consent or the light. Events: "lost" when the way to the call is gone.

const GATHER_MS = 2000;
const CONNECT_MS = 6000;

/** Why there is no microphone: blocked, none, busy, unsafe (no https) or failed. */
export class MicrophoneError extends Error {
  /** @param {string} code */
  constructor(code) {
    super(code);
    this.code = code;
  }
}

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
    /** @type {() => void} */
    this.undo = () => undefined;
  }

  /** Whether a sound sent now would arrive. */
  get isConnected() {
    return this.way !== "";
  }

  /** Connect to a call; a second time it takes the place of the first. @param {string} call */
  async connect(call) {
    this.drop();
    try {
      if (!globalThis.RTCPeerConnection) throw new Error("no WebRTC here");
      await this.byWebRtc(call);
    } catch {
      this.drop();
      if (!this.isClosed) await this.bySocket(call);
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

  lose() {
    if (this.isClosed || !this.isConnected) return;
    this.drop();
    this.dispatchEvent(new Event("lost"));
  }

  /** @param {string} call */
  async byWebRtc(call) {
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
      body: JSON.stringify({ offer: connection.localDescription?.sdp }),
    });
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

  /** @param {string} call */
  async bySocket(call) {
    const context = audioContext();
    const worker = new Worker(this.files.worker);
    this.undo = () => {
      worker.postMessage({ close: true });
      void context.close();
    };
    await context.audioWorklet.addModule(this.files.worklet);
    const node = new AudioWorkletNode(context, "askfirst-sound", { outputChannelCount: [1] });
    context.createMediaStreamSource(this.stream).connect(node).connect(context.destination);
    const wire = new MessageChannel();
    node.port.postMessage({ port: wire.port1 }, [wire.port1]);
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const url = `${scheme}://${location.host}/api/v1/calls/${call}/sound`;
    await new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => {
        if (data.open) resolve(undefined);
        else if (this.isConnected) this.lose();
        else reject(new Error("the socket was refused"));
      };
      worker.postMessage({ url, port: wire.port2 }, [wire.port2]);
    });
    await context.resume();
    this.way = "socket";
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

// Sound between the browser's audio and a socket's worker: 20 ms of mono s16le at 16 kHz each way.
// Lives in the audio thread: it waits for nothing and keeps at most 60 ms to play.
const RATE = 16000;
const SAMPLES = 320;
const MOST_WAITING = 3 * SAMPLES;

class SoundProcessor extends AudioWorkletProcessor {
  constructor() {
    super();
    /** @type {MessagePort | null} */
    this.wire = null;
    this.frame = new Int16Array(SAMPLES);
    this.filled = 0;
    this.startedAt = 0;
    this.sum = 0;
    this.summed = 0;
    this.phase = 0;
    /** @type {number[]} */
    this.waiting = [];
    this.step = 0;
    this.last = 0;
    this.port.onmessage = ({ data }) => {
      this.wire = data.port;
      data.port.onmessage = (/** @type {MessageEvent} */ event) => this.take(event.data);
    };
  }

  /** @param {ArrayBuffer} pcm */
  take(pcm) {
    for (const sample of new Int16Array(pcm)) this.waiting.push(sample / 32768);
    if (this.waiting.length > MOST_WAITING) {
      this.waiting.splice(0, this.waiting.length - MOST_WAITING);
    }
  }

  /** @param {Float32Array[][]} inputs @param {Float32Array[][]} outputs */
  process(inputs, outputs) {
    const heard = inputs[0]?.[0];
    const played = outputs[0][0];
    for (let at = 0; at < played.length; at += 1) {
      this.hear(heard ? heard[at] : 0, currentFrame + at);
      played[at] = this.next();
    }
    return true;
  }

  /** Take one sample of the microphone: the mean of those that make one of ours. */
  hear(/** @type {number} */ sample, /** @type {number} */ frame) {
    if (this.filled === 0 && this.summed === 0) this.startedAt = (frame * 1000) / sampleRate;
    this.sum += sample;
    this.summed += 1;
    this.phase += RATE;
    if (this.phase < sampleRate) return;
    this.phase -= sampleRate;
    const mean = Math.max(-1, Math.min(1, this.sum / this.summed));
    this.sum = this.summed = 0;
    this.frame[this.filled] = Math.round(mean * 32767);
    this.filled += 1;
    if (this.filled < SAMPLES) return;
    this.filled = 0;
    const pcm = this.frame.slice().buffer;
    this.wire?.postMessage({ pcm, at: Math.round(this.startedAt) }, [pcm]);
  }

  /** The next sample to play, of our rate, held or passed over where the rates differ. */
  next() {
    this.step += RATE;
    while (this.step >= sampleRate) {
      this.step -= sampleRate;
      this.last = this.waiting.shift() ?? 0;
    }
    return this.last;
  }
}

registerProcessor("askfirst-sound", SoundProcessor);

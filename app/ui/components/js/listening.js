/** The microphone of this page: what is said, utterance by utterance, as the recogniser wants it. Nothing is kept. */

import { Utterances } from "./utterances.js";
import { say } from "./words.js";

const RATE = 16_000;
const WANTED = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: true };

/**
 * Listen until it is stopped; what is being said then is handed over as well.
 * @param {{began: () => void, said: (samples: Promise<Blob>) => void, failed: (reason: string) => void}} told
 * @returns {{stop: () => void}}
 */
export function listen(told) {
  const opened = { isStopped: false, close: () => {} };
  open(told, opened).catch((error) => {
    opened.close();
    if (!opened.isStopped) told.failed(reasonOf(error));
  });
  return {
    stop: () => {
      opened.isStopped = true;
      opened.close();
    },
  };
}

async function open({ began, said, failed }, opened) {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: WANTED });
  const context = new AudioContext();
  const utterances = new Utterances(context.sampleRate, (samples) => said(asRecogniserWants(samples, context.sampleRate)));
  let isOpen = true;
  opened.close = () => {
    if (!isOpen) return;
    isOpen = false;
    for (const track of stream.getTracks()) track.stop();
    void context.close();
    utterances.end();
  };
  if (opened.isStopped) return opened.close();
  await context.audioWorklet.addModule(new URL("./microphone_worklet.js", import.meta.url));
  if (!isOpen) return;
  const node = new AudioWorkletNode(context, "microphone", { numberOfInputs: 1, numberOfOutputs: 0 });
  node.port.onmessage = ({ data }) => isOpen && utterances.push(data);
  context.createMediaStreamSource(stream).connect(node);
  await context.resume();
  stream.getTracks()[0].onended = () => {
    opened.close();
    failed(say("the microphone is gone"));
  };
  began();
}

function reasonOf(error) {
  if (error.name === "NotAllowedError") return say("the browser does not allow the microphone");
  if (error.name === "NotFoundError") return say("there is no microphone");
  return error.message || error.name;
}

/**
 * 16-bit integers, little endian, at the recogniser's rate; the browser resamples.
 * @param {Float32Array} samples
 * @param {number} rate
 * @returns {Promise<Blob>}
 */
async function asRecogniserWants(samples, rate) {
  const offline = new OfflineAudioContext(1, Math.max(1, Math.floor((samples.length * RATE) / rate)), RATE);
  const buffer = new AudioBuffer({ length: samples.length, sampleRate: rate });
  buffer.copyToChannel(samples, 0);
  const source = new AudioBufferSourceNode(offline, { buffer });
  source.connect(offline.destination);
  source.start();
  const rendered = (await offline.startRendering()).getChannelData(0);
  const out = new DataView(new ArrayBuffer(2 * rendered.length));
  rendered.forEach((value, i) => out.setInt16(2 * i, Math.round(Math.max(-1, Math.min(1, value)) * 32767), true));
  return new Blob([out.buffer]);
}

/** The capturing process, for the program that is started as one. */
export { CAPTURE_WORD, runCapture } from '../input/pcap-capture.ts';

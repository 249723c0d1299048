/** Calls between the main thread and a thread it started: a name and one argument there, a result or an error back. */

import type { MessagePort, Worker } from 'node:worker_threads';

/** What a thread can be asked: each a function of at most one argument, of values that can be copied between threads. */
export type ThreadMethods<Methods> = {
  readonly [Name in keyof Methods]: (argument: never) => unknown;
};

interface Call {
  readonly call: string;
  readonly number: number;
  readonly argument: unknown;
}

interface Answer {
  readonly answer: number;
  readonly result?: unknown;
  readonly problem?: string;
}

/** Asks one thread, and hears what it says unasked. */
export class ThreadCalls<Methods extends ThreadMethods<Methods>, Said> {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, { resolve: (result: never) => void; reject: (error: Error) => void }>();
  #number = 0;

  /** Whatever is no answer goes to `onSaid`. */
  constructor(worker: Worker, onSaid: (said: Said) => void) {
    this.#worker = worker;
    worker.on('message', (message: Answer | Said) => {
      if (!isAnswer(message)) {
        onSaid(message);
        return;
      }
      const waiting = this.#waiting.get(message.answer);
      this.#waiting.delete(message.answer);
      if (message.problem === undefined) waiting?.resolve(message.result as never);
      else waiting?.reject(new Error(message.problem));
    });
  }

  /** Gives what the thread answers; rejects with the message of what was thrown there. */
  call<Name extends keyof Methods & string>(
    name: Name,
    ...words: Parameters<Methods[Name]>
  ): Promise<Awaited<ReturnType<Methods[Name]>>> {
    const number = this.#number++;
    const call: Call = { call: name, number, argument: words[0] };
    return new Promise((resolve, reject) => {
      this.#waiting.set(number, { resolve, reject });
      this.#worker.postMessage(call);
    });
  }

  /** Rejects whatever is still waited for: the thread has ended. */
  end(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}

/** Answers the calls that come through `port`; whatever is no call goes to `onSaid`. */
export function answerCalls<Methods extends ThreadMethods<Methods>, Said>(
  port: MessagePort,
  methods: Methods,
  onSaid: (said: Said) => void,
): void {
  port.on('message', (message: Call | Said) => {
    if (isCall(message)) void answerCall(port, methods, message);
    else onSaid(message);
  });
}

async function answerCall<Methods extends ThreadMethods<Methods>>(
  port: MessagePort,
  methods: Methods,
  { call, number, argument }: Call,
): Promise<void> {
  let answer: Answer;
  try {
    answer = { answer: number, result: await methods[call as keyof Methods](argument as never) };
  } catch (error) {
    answer = { answer: number, problem: error instanceof Error ? error.message : String(error) };
  }
  port.postMessage(answer);
}

function isCall(message: unknown): message is Call {
  return typeof message === 'object' && message !== null && 'call' in message;
}

function isAnswer(message: unknown): message is Answer {
  return typeof message === 'object' && message !== null && 'answer' in message;
}

/**
 * The third promise: a flow between two hosts that can talk to each other and keep their leases loses nothing, whatever
 * happens to others. A flow is echoes with numbers from one host to another. It counts once some in a row were answered,
 * and until something happens to one of the two; what was on its way at that moment does not count either. Pure.
 */

/** Answered in a row, until a flow counts. */
const STEADY = 5;
/** An echo that is not answered for so long is lost. */
export const LOST_AFTER_MS = 5000;
/** As long as it may turn out that a lease was contested, nothing is judged. */
const JUDGE_AFTER_MS = 15_000;
/** So much before something is noticed it may have happened, or have had its effect. */
const EARLIER_MS = 2500;

interface Echo {
  readonly sentAt: number;
  answered: boolean;
}

interface Flow {
  readonly from: string;
  readonly to: string;
  /** In the order of their numbers. BOUNDED: what is sent in JUDGE_AFTER_MS */
  readonly open: Map<number, Echo>;
  /** What disturbed it: echoes sent in between do not count. BOUNDED: those of the last JUDGE_AFTER_MS and EARLIER_MS */
  disturbances: { readonly from: number; readonly until: number }[];
  /** Judged last. */
  lastAt: number;
  /** Answered in a row. */
  row: number;
  /** Lost in a row while it counted, since when. */
  lost: { count: number; readonly since: number } | null;
}

export interface FlowLoss {
  readonly from: string;
  readonly to: string;
  readonly count: number;
  /** When the first one was sent. */
  readonly since: number;
}

export class FlowJudge {
  /** BOUNDED: one per ordered pair of hosts */
  readonly #flows = new Map<string, Flow>();
  readonly counts = { sent: 0, answered: 0, judged: 0, lost: 0 };

  /** Whether an answer may still come in. */
  mayStillAnswer(now: number): boolean {
    const open = (echo: Echo) => !echo.answered && now - echo.sentAt <= LOST_AFTER_MS;
    return [...this.#flows.values()].some((flow) => [...flow.open.values()].some(open));
  }

  sent(number: number, from: string, to: string, now: number): void {
    const key = `${from} ${to}`;
    let flow = this.#flows.get(key);
    if (flow === undefined) {
      flow = { from, to, open: new Map(), disturbances: [], lastAt: 0, row: 0, lost: null };
      this.#flows.set(key, flow);
    }
    flow.open.set(number, { sentAt: now, answered: false });
    this.counts.sent++;
  }

  /** `number` came back to `from` from `to`. */
  answered(number: number, from: string, to: string, now: number): void {
    const echo = this.#flows.get(`${from} ${to}`)?.open.get(number);
    if (echo === undefined || echo.answered || now - echo.sentAt > LOST_AFTER_MS) return;
    echo.answered = true;
    this.counts.answered++;
  }

  /** Something happened between two hosts, or to `a` alone when `b` is null; perhaps since `from`, noticed `now`. */
  disturb(a: string, b: string | null, now: number, from = now): void {
    const disturbance = { from: Math.min(from, now) - EARLIER_MS, until: now };
    for (const flow of this.#flows.values()) {
      const ends = [flow.from, flow.to];
      if (ends.includes(a) && (b === null || ends.includes(b))) flow.disturbances.push(disturbance);
    }
  }

  /** Judges what is old enough. A flow that lost something is told of once it goes on, or is disturbed, or at the end. */
  judge(now: number, atEnd = false): FlowLoss[] {
    const losses: FlowLoss[] = [];
    for (const flow of this.#flows.values()) {
      for (const [number, echo] of flow.open) {
        if (!atEnd && now - echo.sentAt < JUDGE_AFTER_MS) break;
        flow.open.delete(number);
        const loss = this.#judgeEcho(flow, echo);
        if (loss !== null) losses.push(loss);
      }
      const oldest = now - JUDGE_AFTER_MS - EARLIER_MS;
      flow.disturbances = flow.disturbances.filter(({ until }) => until >= oldest);
      if (atEnd && flow.lost !== null) losses.push(...ended(flow));
    }
    return losses;
  }

  #judgeEcho(flow: Flow, { sentAt, answered }: Echo): FlowLoss | null {
    const disturbed = flow.disturbances.some(({ from, until }) => until >= flow.lastAt && from <= sentAt);
    flow.lastAt = sentAt;
    if (disturbed) {
      flow.row = 0;
      return ended(flow)[0] ?? null;
    }
    if (flow.row < STEADY && flow.lost === null) {
      flow.row = answered ? flow.row + 1 : 0;
      return null;
    }
    this.counts.judged++;
    if (answered) return ended(flow)[0] ?? null;
    this.counts.lost++;
    if (flow.lost === null) flow.lost = { count: 1, since: sentAt };
    else flow.lost.count++;
    return null;
  }
}

function ended(flow: Flow): FlowLoss[] {
  const { from, to, lost } = flow;
  flow.lost = null;
  return lost === null ? [] : [{ from, to, count: lost.count, since: lost.since }];
}

/**
 * The sum of 16-bit words (RFC 1071) over packet memory, 32 bytes a step: one WebAssembly function with SIMD, for the
 * backends that complete and verify the checksum of every segment. WebAssembly sees only memory of its own, so the
 * memory is made here. Where a runtime refuses it, checksum.ts does the same work in 32-bit words.
 */

/** Memory of whole 64 KiB pages, and the sum over its bytes. */
export interface SummedMemory {
  readonly memory: ArrayBuffer;
  /**
   * The `length` bytes at `at` as little-endian words, an odd last byte as a word of its own; not folded, < 2^31.
   * Both are unsigned integers in range, `length` at most 64 KiB.
   */
  readonly sum: (at: number, length: number) => number;
}

const PAGE = 65_536;

// The parameters and locals of the function, and the opcodes it is made of (WebAssembly core specification, §5.4).
const AT = 0, LENGTH = 1, STOP = 2, TOTAL = 3, EVEN = 4, ODD = 5;
const I32 = 0x7f, V128 = 0x7b, FUNCTION = 0x60;
const GET = 0x20, SET = 0x21, CONST = 0x41, ADD = 0x6a, AND = 0x71, GE_U = 0x4f;
const BLOCK = [0x02, 0x40], LOOP = [0x03, 0x40], BR = 0x0c, BR_IF = 0x0d, END = 0x0b;
const LOAD8_U = [0x2d, 0, 0], LOAD16_U = [0x2f, 0, 0];
const V128_LOAD = [0xfd, 0x00, 0], I32X4_EXTRACT_LANE = [0xfd, 0x1b];
const I32X4_ADD = [0xfd, 0xae, 0x01], I32X4_EXTADD_PAIRWISE_I16X8_U = [0xfd, 0x7f];

/** $to += the eight words at $at + offset, in pairs: four sums. */
const addEight = (to: number, offset: number) => [
  ...[GET, to, GET, AT, ...V128_LOAD, offset, ...I32X4_EXTADD_PAIRWISE_I16X8_U, ...I32X4_ADD, SET, to],
];
/** $total += what `load` finds at $at. */
const addOne = (load: number[]) => [GET, TOTAL, GET, AT, ...load, ADD, SET, TOTAL];
/** Repeats `body`, for `bytes` bytes each time, as often as they fit into $length & mask. */
const forEach = (bytes: number, mask: number, body: number[]) => [
  ...[GET, AT, GET, LENGTH, CONST, mask, AND, ADD, SET, STOP],
  ...[...BLOCK, ...LOOP, GET, AT, GET, STOP, GE_U, BR_IF, 1, ...body],
  ...[GET, AT, CONST, bytes, ADD, SET, AT, BR, 0, END, END],
];
const addLane = (i: number) => [GET, TOTAL, GET, EVEN, ...I32X4_EXTRACT_LANE, i, ADD, SET, TOTAL];

const CODE = [
  ...[2, 2, I32, 2, V128], // two groups of locals: $stop $total, $even $odd
  ...forEach(32, 0x60, [...addEight(EVEN, 0), ...addEight(ODD, 16)]), // −32 as LEB128
  ...[GET, EVEN, GET, ODD, ...I32X4_ADD, SET, EVEN],
  ...addLane(0),
  ...addLane(1),
  ...addLane(2),
  ...addLane(3),
  ...forEach(2, 30, addOne(LOAD16_U)),
  ...forEach(1, 1, addOne(LOAD8_U)),
  ...[GET, TOTAL, END],
];

/** An unsigned integer as LEB128. */
function leb(n: number): number[] {
  return n < 128 ? [n] : [(n & 127) | 128, ...leb(n >>> 7)];
}
const name = (text: string) => [...leb(text.length), ...new TextEncoder().encode(text)];
const section = (id: number, content: number[]) => [id, ...leb(content.length), ...content];

function moduleOf(pages: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0], // "\0asm", version 1
    ...section(1, [1, FUNCTION, 2, I32, I32, 1, I32]),
    ...section(2, [1, ...name("pool"), ...name("memory"), 2, 1, ...leb(pages), ...leb(pages)]),
    ...section(3, [1, 0]),
    ...section(7, [1, ...name("sum"), 0, 0]),
    ...section(10, [1, ...leb(CODE.length), ...CODE]),
  ]);
}

/** New memory of at least `length` bytes, or null where there is no WebAssembly with SIMD. */
export function summedMemory(length: number): SummedMemory | null {
  try {
    const pages = Math.ceil(length / PAGE);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const module = new WebAssembly.Module(moduleOf(pages));
    const { exports } = new WebAssembly.Instance(module, { pool: { memory } });
    return { memory: memory.buffer as ArrayBuffer, sum: exports.sum as SummedMemory["sum"] };
  } catch (error) {
    // Not allowed (no executable memory), not compiled (no SIMD), or no address space for it.
    if (error instanceof Error) return null;
    throw error;
  }
}

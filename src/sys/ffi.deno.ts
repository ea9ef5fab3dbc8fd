/**
 * The foreign function interface of Deno behind the shape that `ffi.bun.ts` shares.
 * Which of the two is loaded is decided by the `#ffi` import of package.json, nowhere else.
 */
// deno-lint-ignore-file no-explicit-any

/** Machine types a C function may take or give. `buffer` is a view on memory that does not move. */
export type NativeType = "i32" | "u32" | "u64" | "pointer" | "buffer" | "void";

/** One C function: parameter types and result. Results wider than 32 bits are declared only where needed. */
export interface NativeSymbol {
  readonly args: readonly NativeType[];
  readonly result: NativeType;
}

/** An address for a `pointer` parameter: what `toPointer` makes, or, where the call is rare, the number itself. */
export type NativePointer = number | bigint;
type JsArgument<T extends NativeType> = T extends "buffer" ? ArrayBufferView | null
  : T extends "pointer" ? NativePointer
  : number;
type JsArguments<A extends readonly NativeType[]> = { [K in keyof A]: JsArgument<A[K]> };
/** The functions of a loaded library, typed after their symbol table. */
export type NativeFunctions<S extends Record<string, NativeSymbol>> = {
  readonly [K in keyof S]: (...args: JsArguments<S[K]["args"]>) => number;
};

export const runtimeName = "deno";

/** Loads a shared library and binds `symbols`. Throws when the library or a symbol is missing. */
export function loadLibrary<const S extends Record<string, NativeSymbol>>(
  library: string,
  symbols: S,
): NativeFunctions<S> {
  const table: Record<string, Deno.ForeignFunction> = {};
  for (const [name, symbol] of Object.entries(symbols)) {
    table[name] = {
      parameters: symbol.args.map((type) => type === "pointer" ? "u64" : type) as Deno.NativeType[],
      // A pointer result travels as an integer, so that both runtimes hand out plain numbers.
      result: (symbol.result === "pointer" ? "u64" : symbol.result) as Deno.NativeResultType,
    };
  }
  const loaded = Deno.dlopen(library, table).symbols as Record<string, any>;
  const functions: Record<string, any> = {};
  for (const [name, symbol] of Object.entries(symbols)) {
    const raw = loaded[name];
    functions[name] = symbol.result === "pointer" ? (...args: unknown[]) => Number(raw(...args)) : raw;
  }
  return functions as NativeFunctions<S>;
}

/** The address of the first byte of `buffer`. It stays valid for as long as the buffer is reachable. */
export function addressOf(buffer: ArrayBuffer): number {
  return Number(Deno.UnsafePointer.value(Deno.UnsafePointer.of(buffer)));
}

/** The form of an address that a call takes quickest: here 64 bits must be a BigInt, or the call takes 150 ns more. */
export function toPointer(address: number): NativePointer {
  return BigInt(address);
}

/** A reader of one fixed int32 in native memory, cheap enough for every failed call. */
export function i32Reader(address: number): () => number {
  const view = new Deno.UnsafePointerView(Deno.UnsafePointer.create(BigInt(address))!);
  return () => view.getInt32();
}

/** Reads a NUL-terminated string at `address`. */
export function readCString(address: number): string {
  return new Deno.UnsafePointerView(Deno.UnsafePointer.create(BigInt(address))!).getCString();
}

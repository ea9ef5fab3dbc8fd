/**
 * The foreign function interface of Bun behind the shape that `ffi.deno.ts` shares.
 * Bun moves small typed arrays: hand it only views over an explicit ArrayBuffer.
 */
// deno-lint-ignore-file no-explicit-any
import { CString, dlopen, FFIType, ptr, read } from "bun:ffi";
import type { NativeFunctions, NativePointer, NativeSymbol, NativeType } from "./ffi.deno.ts";

export type { NativeFunctions, NativePointer, NativeSymbol, NativeType } from "./ffi.deno.ts";

export const runtimeName = "bun";

const TYPES: Record<NativeType, FFIType> = {
  i32: FFIType.i32,
  u32: FFIType.u32,
  u64: FFIType.u64,
  pointer: FFIType.ptr,
  buffer: FFIType.ptr,
  void: FFIType.void,
};

/** Loads a shared library and binds `symbols`. Throws when the library or a symbol is missing. */
export function loadLibrary<const S extends Record<string, NativeSymbol>>(
  library: string,
  symbols: S,
): NativeFunctions<S> {
  const table: Record<string, { args: FFIType[]; returns: FFIType }> = {};
  for (const [name, symbol] of Object.entries(symbols)) {
    table[name] = { args: symbol.args.map((type) => TYPES[type]), returns: TYPES[symbol.result] };
  }
  return dlopen(library, table as any).symbols as any;
}

/** The address of the first byte of `buffer`. It stays valid for as long as the buffer is reachable. */
export function addressOf(buffer: ArrayBuffer): number {
  return Number(ptr(buffer));
}

/** The form of an address that a call takes quickest: a number. */
export function toPointer(address: number): NativePointer {
  return address;
}

/** A reader of one fixed int32 in native memory, cheap enough for every failed call. */
export function i32Reader(address: number): () => number {
  return () => read.i32(address as any, 0);
}

/** Reads a NUL-terminated string at `address`. */
export function readCString(address: number): string {
  return new CString(address as any).toString();
}

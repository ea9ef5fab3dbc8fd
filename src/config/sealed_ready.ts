/**
 * Whether sealed meshes work end to end. While this is false, `up` without `--plain` is refused as not built yet, and
 * nothing else in the configuration changes; tests hand `loadConfig` the other value.
 */
export const SEALED_READY: boolean = true;

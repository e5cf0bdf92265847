// What we use of a package without types.
declare module 'fs-native-extensions' {
  /** False when a conflicting lock exists. The whole file unless a range is given; throws on a system's error. */
  export function tryLock(fd: number, options?: { shared?: boolean }): boolean;
}

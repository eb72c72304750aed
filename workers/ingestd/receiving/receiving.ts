/** The body of a request as the bytes of one file: unwrapped, decompressed, decoded, and of which format it is. */
export type { Chunks } from "./decompress.ts";
export { asUtf8, createUtf8Check, type Encoding, firstInvalidByte } from "./encoding.ts";
export { type FileKind, type FormatName, formatOf, looksLikeJson } from "./file-format.ts";
export { bucketFile, fetchFile } from "./from-url.ts";
export { openFile, openFiles, openUploads, peek, type Upload, type UploadRules } from "./upload.ts";

/** Refusals in the words of Iceberg's REST catalog: their clients read `type`, which goes as `details.exception`. */
import { fail, type ServiceError } from "../../../runtime/errors/errors.ts";

const named =
  (type: Parameters<typeof fail>[0], exception: string) =>
  (message: string): ServiceError =>
    fail(type, message, { details: { exception } });

export const badRequest = named("bad_request", "BadRequestException");
/** The caller may read the table again, and try once more. */
export const commitFailed = named("conflict", "CommitFailedException");
export const alreadyExists = named("conflict", "AlreadyExistsException");
export const notEmpty = named("conflict", "NamespaceNotEmptyException");
export const noSuchTable = named("not_found", "NoSuchTableException");
export const noSuchNamespace = named("not_found", "NoSuchNamespaceException");
export const notFound = named("not_found", "NotFoundException");
export const notAllowed = named("forbidden", "ForbiddenException");
export const cannotProcess = named("unprocessable", "UnprocessableEntityException");

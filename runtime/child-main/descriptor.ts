/** What a child process is given by whoever starts it. */

/** The descriptor at which a child process finds the socket to its parent. */
export const socketDescriptor = 3;
/** The variable that tells a child what of its confinement this machine could not do. */
export const unconfinedVariable = "LAKEHOUSE_UNCONFINED";

/** The version of this package; the packaging test keeps it equal to package.json. */
export const version = '0.1.0'

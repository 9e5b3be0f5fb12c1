const sqliteUnavailable = /^SQLITE_(BUSY|LOCKED|READONLY|CANTOPEN|IOERR|FULL|NOTADB)/
// Class 08: connection; 57: shutdown, and a statement that took too long; 53: out of resources; 55P03: lock not available;
// 25P03: idle in a transaction for too long; 25006: read-only; 40001 and 40P01: the loser of two transactions that got in
// each other's way.
const postgresUnavailable = /^(08|57|53)|^(55P03|25P03|25006|40001|40P01)$/
const networkUnavailable = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ENOTFOUND', 'ETIMEDOUT', 'EAI_AGAIN'])
const unavailableText =
  /timeout exceeded when trying to connect|Timeout acquiring a connection|Connection terminated|Connection ended|Query read timeout|is not queryable/i

/** Whether the database, not the request, is to blame: locked, read-only, full, or gone. Answered with 503, never 500. */
export function isDatabaseUnavailable(error: unknown): boolean {
  const { code, message = '' } = (error ?? {}) as { code?: unknown; message?: string }
  if (typeof code === 'string' && (sqliteUnavailable.test(code) || networkUnavailable.has(code))) return true
  if (typeof code === 'string' && code.length === 5 && postgresUnavailable.test(code)) return true
  return unavailableText.test(message)
}

/** Whether a unique index refused the row. */
export function isUniqueViolation(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code
  return code === '23505' || code === 'SQLITE_CONSTRAINT_UNIQUE' || code === 'SQLITE_CONSTRAINT_PRIMARYKEY'
}

/**
 * Takes away what PostgreSQL tells of the rows beside an error ("Key (email)=(ada@example.com) already exists."): errors are
 * logged. The message, the code and the names of table and constraint stay. Changes the error itself; returns it.
 */
export function hideRowValues(error: unknown): unknown {
  if (error instanceof Error) {
    for (const member of ['detail', 'where', 'internalQuery']) Reflect.deleteProperty(error, member)
  }
  return error
}

const TABLES =
  "--table=sessions --table=session_groups --table=rollups --table=gaps --table=erasures --table=lineage --table='kysely_*'";

/** What backs history up where it is in PostgreSQL, beside those who use it. The password is left to PGPASSWORD or ~/.pgpass. */
export function dumpCommand(url: string, file: string): string {
  return `pg_dump --format=custom ${TABLES} --file=${quoted(file)} ${quoted(withoutPassword(url))}`;
}

/** What puts such a backup in the place of what is there, or changes nothing. */
export function restoreCommand(url: string, file: string): string {
  return `pg_restore --clean --if-exists --single-transaction --dbname=${quoted(withoutPassword(url))} ${quoted(file)}`;
}

function withoutPassword(url: string): string {
  const shown = new URL(url.replace('@/', '@localhost/'));
  shown.password = '';
  shown.searchParams.delete('password');
  return shown.href;
}

/** For a POSIX shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

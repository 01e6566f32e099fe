/**
 * What `npm start` shows when everything runs: one screen with where things are, the first call, and how to stop.
 *
 * @param {{ settings: import('./settings.mjs').Settings, redis: string | undefined, ownRedis: boolean, shownDataDir: string }} options
 */
export function screen({ settings, redis, ownRedis, shownDataDir: data }) {
  const url = Object.fromEntries(settings.apps.map((app) => [app.name, app.url]));
  const key = settings.needsKey ? ` -H "Authorization: Bearer $BERTH_KEY"` : '';
  const authority = settings.tls ? ' --cacert "$BERTH_CA"' : '';
  const certificate = settings.needsCertificate ? ' --cert "$BERTH_CERT" --key "$BERTH_CERT_KEY"' : '';
  const curl = `curl -s${authority}${certificate}`;
  const ports = settings.apps.flatMap(({ metricsPort }) => metricsPort ?? []);
  const metrics = ports.length === 0 ? '' : `\n  Metrics            without a key at ports ${ports.join(', ')}`;
  return `
Berth is running.

  admission-gateway  ${url['admission-gateway']}  may this session start?  /v1/sessions
                     gRPC ${settings.grpc.address}  the same for berth.v1
  limits-admin       ${url['limits-admin']}  limits and live sessions: /api/sessions
  session-reaper     ${url['session-reaper']}  ends what is due
  Redis              ${redis}${ownRedis ? `  its own; data in ${data}/redis` : ''}
  Logs               ${data}/logs/*.log; each app has /health/ready and /metrics too${metrics}

The first call: may alice start a session?

  ${curl} -X POST ${url['admission-gateway']}/v1/sessions${key} -H 'Content-Type: application/json' -d '{"sessionId":"call-1","user":"alice"}'

It answers 201 {"decision":"admitted","session":{"id":"call-1","user":"alice",…},"limits":[{"scope":"user","key":"alice",…}],…};
where alice has as many as her limit allows (5 unless configured), 429 with "sip":{"code":486,"reason":"Busy Here"}. It ends with

  ${curl} -X DELETE ${url['admission-gateway']}/v1/sessions/call-1${key}

Ctrl-C stops everything${ownRedis ? `; sessions and limits stay in ${data} for the next start` : ''}.
`;
}

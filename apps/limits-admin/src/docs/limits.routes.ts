import { groupBody, groupsQuery, kindBody } from '../groups/groups.schema.js';
import { changeBody, temporaryLimitBody } from '../limits/fields.schema.js';
import { limitsBody, namedLimitBody, namedUserQuery, userLimitBody } from '../limits/limits.schema.js';
import { simulationBody } from '../simulation/simulation.schema.js';
import type { Route } from './route.js';

const CHANGE = '{success, message, in_use: [{key, limit, activeSessions, over}], on_lower, terminated?}';
const LENT = '{success, limit, expiresAt, reason, in_use, on_lower, terminated?}';

const limits = { tag: 'limits' };
const groups = { tag: 'groups' };

/** What is said of limits: of the tenant, of its users, of groups. */
export const LIMITS_ROUTES: Route[] = [
  {
    ...limits,
    method: 'get',
    path: '/api/sessions/limits',
    for: 'limits.read',
    summary: 'The limits in force',
    answer: 'The fields of PUT, and enable_session_limits, user_limits, origins, temporary, source, version',
  },
  {
    ...limits,
    method: 'put',
    path: '/api/sessions/limits',
    for: 'limits.change',
    summary:
      'Change limits; what is absent stays. Maps are merged and null takes an entry out; observe is taken whole. With version the change is made on top of that version or refused with 409',
    answer: CHANGE,
    body: limitsBody,
  },
  {
    ...limits,
    method: 'delete',
    path: '/api/sessions/limits',
    for: 'limits.change',
    summary: 'Back to the configuration file; limits of single users and groups stay',
    answer: CHANGE,
    body: changeBody,
  },
  {
    ...limits,
    method: 'post',
    path: '/api/sessions/limits/temporary-limit',
    for: 'limits.change',
    summary:
      'Another limit of all sessions for a while. So temporary-limit is no user name under this path; /limits/- reaches that user',
    answer: LENT,
    body: temporaryLimitBody,
  },
  {
    ...limits,
    method: 'delete',
    path: '/api/sessions/limits/temporary-limit',
    for: 'limits.change',
    summary: 'End that early',
    answer: CHANGE,
    body: changeBody,
  },
  {
    ...limits,
    method: 'post',
    path: '/api/sessions/limits:simulate',
    for: 'fleet.read',
    summary:
      'What a change would have meant for the sessions that are live now, replayed in the order of their start; rates are not replayed, nor classes that only admissions name. Changes nothing',
    answer:
      '{sessions, refused: {count, by, sessions}, terminated: {count, by, sessions}, observed, over, changed, rates_replayed, version}',
    body: simulationBody,
  },
  {
    ...limits,
    method: 'get',
    path: '/api/sessions/limits/-',
    for: 'limits.read',
    summary: 'As GET /limits/{username}, for any name exactly, also that of a path word',
    answer: '{username, limit, class?, temporary?, origin?}',
    query: namedUserQuery,
  },
  {
    ...limits,
    method: 'put',
    path: '/api/sessions/limits/-',
    for: 'limits.change',
    summary: 'As PUT /limits/{username}, for any name exactly, also that of a path word',
    answer: '{success, username, limit, message, in_use, on_lower, terminated?}',
    body: namedLimitBody,
  },
  {
    ...limits,
    method: 'delete',
    path: '/api/sessions/limits/-',
    for: 'limits.change',
    summary: 'As DELETE /limits/{username}, for any name exactly, also that of a path word',
    answer: '{success, username, limit, message, in_use, on_lower, terminated?}',
    query: namedUserQuery,
    body: changeBody,
  },
  {
    ...limits,
    method: 'get',
    path: '/api/sessions/limits/{username}',
    for: 'limits.read',
    summary: 'The limit of a user that is in force',
    answer: '{username, limit, class?, temporary?, origin?}',
  },
  {
    ...limits,
    method: 'put',
    path: '/api/sessions/limits/{username}',
    for: 'limits.change',
    summary: 'Give a user a limit',
    answer: '{success, username, limit, message, in_use, on_lower, terminated?}',
    body: userLimitBody,
  },
  {
    ...limits,
    method: 'delete',
    path: '/api/sessions/limits/{username}',
    for: 'limits.change',
    summary: 'What the file says of the user holds again, else the class, else the default',
    answer: '{success, username, limit, message, in_use, on_lower, terminated?}',
    body: changeBody,
  },
  {
    ...groups,
    method: 'get',
    path: '/api/sessions/groups',
    for: 'fleet.read',
    summary: 'Kinds of groups, and the groups with live sessions or a limit of their own',
    answer:
      '{kinds: [{kind, configured, default, action, rate, observed, reserve, temporary, origin}], totalKinds, groups: [{group, kind, name, limit, activeSessions, parent, ancestors, action, rate, observed, reserve, temporary, origin}], total, page, limit}',
    query: groupsQuery,
  },
  {
    ...groups,
    method: 'get',
    path: '/api/sessions/groups/{kind}',
    for: 'fleet.read',
    summary: 'One kind and its groups',
    answer: 'The fields of a kind, and {groups, total, page, limit}',
    query: groupsQuery,
  },
  {
    ...groups,
    method: 'put',
    path: '/api/sessions/groups/{kind}',
    for: 'limits.change',
    summary: 'Change what holds for the groups of a kind; what is absent stays, rate null is none',
    answer: CHANGE,
    body: kindBody,
  },
  {
    ...groups,
    method: 'delete',
    path: '/api/sessions/groups/{kind}',
    for: 'limits.change',
    summary: 'Back to the configuration file; limits of single groups stay',
    answer: CHANGE,
    body: changeBody,
  },
  {
    ...groups,
    method: 'get',
    path: '/api/sessions/groups/{kind}/{name}',
    for: 'fleet.read',
    summary: 'One group',
    answer: 'The fields of a group',
  },
  {
    ...groups,
    method: 'put',
    path: '/api/sessions/groups/{kind}/{name}',
    for: 'limits.change',
    summary: 'Change one group of a configured kind; what is absent stays, null is none',
    answer: CHANGE,
    body: groupBody,
  },
  {
    ...groups,
    method: 'delete',
    path: '/api/sessions/groups/{kind}/{name}',
    for: 'limits.change',
    summary: 'What the file says of the group holds again, else that of its kind',
    answer: CHANGE,
    body: changeBody,
  },
  {
    ...groups,
    method: 'post',
    path: '/api/sessions/groups/{kind}/{name}/temporary-limit',
    for: 'limits.change',
    summary: 'Another limit of a group for a while',
    answer: LENT,
    body: temporaryLimitBody,
  },
  {
    ...groups,
    method: 'delete',
    path: '/api/sessions/groups/{kind}/{name}/temporary-limit',
    for: 'limits.change',
    summary: 'End that early',
    answer: CHANGE,
    body: changeBody,
  },
];

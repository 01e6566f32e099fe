import { createParamDecorator, Injectable, SetMetadata, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';

import type { Role } from '#config';

import { ProblemException } from '../problems/problem.js';
import type { Principal } from './principal.js';
import { RIGHTS, rolesWith, type BoundKeys, type Right } from './rights.js';

interface Needed {
  roles: readonly Role[];
  bound: BoundKeys;
}

const UNNAMED: Needed = { roles: ['admin'], bound: 'nothing' };

const NEEDED = Object.fromEntries(
  Object.entries(RIGHTS).map(([name, { bound }]) => [name, { roles: rolesWith(name as Right), bound }]),
) as Record<Right, Needed>;

const RIGHT = 'berth.right';

/** Which right a call of this controller or method needs. Without it only an `admin` whose key is not bound to nodes may. */
export const Needs = (right: Right) => SetMetadata(RIGHT, right);

/** Anybody may call, without a key: for `/health/*` alone. */
export const Open = () => SetMetadata(RIGHT, 'open');

/** The right that a call of this handler needs; undefined where neither it nor its controller names one. */
export function rightOf(handler: object, controller: object): Right | 'open' | undefined {
  return (Reflect.getMetadata(RIGHT, handler) ?? Reflect.getMetadata(RIGHT, controller)) as Right | 'open' | undefined;
}

/** Injects the `Principal` of the request into a controller's method. */
export const Caller = createParamDecorator((_: unknown, context: ExecutionContext): Principal => principalOf(context));

/** Lets a request pass if its caller has the right; who it is was found out before its body was read. */
@Injectable()
export class RightsGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const right = rightOf(context.getHandler(), context.getClass());
    if (right !== 'open') assertRight(principalOf(context), right);
    return true;
  }
}

/** Throws `forbidden` where the caller does not have the right; without a name, where it has not every right. */
export function assertRight({ role, nodes }: Principal, right: Right | undefined): void {
  const { roles: allowed, bound } = right === undefined ? UNNAMED : NEEDED[right];
  if (!allowed.includes(role)) {
    throw new ProblemException('forbidden', `This call needs the role ${allowed.join(' or ')}; the key has ${role}`);
  }
  if (nodes !== null && bound === 'nothing') {
    throw new ProblemException(
      'forbidden',
      'This call is about all nodes, and the key is bound to some by auth.keys.nodes; use a key without nodes',
    );
  }
}

function principalOf(context: ExecutionContext): Principal {
  const { principal } = context.switchToHttp().getRequest<FastifyRequest>();
  if (principal === null) throw new ProblemException('unauthorized', 'Send Authorization: Bearer and a key');
  return principal;
}

import { createParamDecorator, Injectable, SetMetadata, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';

import type { Role } from '../config/berth.config.js';
import { ProblemException } from '../problems/problem.js';
import type { Principal } from './principal.js';

const ROLES = 'berth.roles';
const OPEN = 'berth.open';

/** Who may call this controller or method besides `admin`. Without it only `admin` may. */
export const Roles = (...roles: Role[]) => SetMetadata(ROLES, roles);

/** Anybody may call, without a key: for `/health/*` alone. */
export const Open = () => SetMetadata(OPEN, true);

/** Injects the `Principal` of the request into a controller's method. */
export const Caller = createParamDecorator((_: unknown, context: ExecutionContext): Principal => principalOf(context));

/** Lets a request pass if its role may call; who it is was found out before its body was read. */
@Injectable()
export class RolesGuard implements CanActivate {
  constructor(private readonly reflector: Reflector) {}

  canActivate(context: ExecutionContext): boolean {
    const targets = [context.getHandler(), context.getClass()];
    if (this.reflector.getAllAndOverride<boolean | undefined>(OPEN, targets) === true) return true;
    const allowed = this.reflector.getAllAndOverride<Role[] | undefined>(ROLES, targets) ?? [];
    const { role } = principalOf(context);
    if (role === 'admin' || allowed.includes(role)) return true;
    throw new ProblemException(
      'forbidden',
      `This call needs the role ${['admin', ...allowed].join(' or ')}; the key has ${role}`,
    );
  }
}

function principalOf(context: ExecutionContext): Principal {
  const { principal } = context.switchToHttp().getRequest<FastifyRequest>();
  if (principal === null) throw new ProblemException('unauthorized', 'Send Authorization: Bearer and a key');
  return principal;
}

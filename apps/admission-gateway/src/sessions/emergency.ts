import { ProblemException, type Principal } from '#service-kit';

/** Refuses `emergency` to a key that has no right to it. */
export function assertMayAskFor(caller: Principal, priority: unknown): void {
  if (priority !== 'emergency' || caller.emergency) return;
  throw new ProblemException(
    'forbidden',
    'priority emergency needs a key with role admin or emergency: true; send priority normal',
  );
}

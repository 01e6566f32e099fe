/**
 * What no name of a user or group may hold: controls, lone surrogates, line separators, the mark of bytes that were no UTF-8, characters that
 * are not assigned, and what shows nothing at all, the joiners and variation selectors of scripts and emoji too. So two names that look the same
 * are the same, as far as one character tells.
 */
export const UNPRINTABLE_IN_NAMES = /[\p{Cc}\p{Cs}\p{Cn}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\uFFFD]/u;

import { z } from 'zod';

import { flag, section, setting, text } from './fields.schema.js';

const URL_EXPECTED = 'an http or https URL without user, password and fragment';

function isWebhookUrl(written: string): boolean {
  if (!URL.canParse(written)) return false;
  const { protocol, username, password, hash } = new URL(written);
  return /^https?:$/.test(protocol) && username === '' && password === '' && hash === '';
}

const webhook = section({
  nodes: setting(text('the name of a node; * stands for any characters'), {
    text: 'The nodes whose commands go there, `*` standing for any characters. The first webhook that fits a node counts.',
  }),
  url: setting(text(URL_EXPECTED).refine(isWebhookUrl, { error: () => URL_EXPECTED }), {
    text: 'Where the commands are POSTed to. Nothing else is ever called: redirects are not followed.',
    secret: true,
  }),
  secret: setting(text('text of at least 16 characters', /^.{16,}$/s), {
    text: 'Signs every request (`Berth-Signature`); best written as `${…}`.',
    secret: true,
  }),
});

export const commandsSection = section({
  webhooks: setting(z.array(webhook, { error: () => 'a list' }).default([]), {
    text: 'Servers that get the commands to hang up by a request, instead of a stream or by polling.',
  }),
  allow_private: setting(flag().default(false), {
    text: 'Whether webhooks may be at private, loopback and link-local addresses. It is the address that counts, whatever the name.',
  }),
});

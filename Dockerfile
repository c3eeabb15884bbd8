# The image of Ark: the program, the authorities that it trusts, and time zones;
# no shell, no packages.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=0.1.0
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/ark .

FROM scratch
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="ark" \
      org.opencontainers.image.description="Data layer and control plane for AI agents on Kubernetes" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /usr/share/zoneinfo /usr/share/zoneinfo
COPY --from=build /out/ark /ark
# Nobody in particular; the chart says the same.
USER 65532:65532
ENTRYPOINT ["/ark"]

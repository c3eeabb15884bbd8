{{/* Flags of a Deployment's process: {root, name, modules}. */}}
{{- define "ark.args" -}}
{{- $v := .root.Values }}
- {{ .name }}
- --storage-backend={{ $v.storage.backend }}
{{- if eq .name "core" }}
- --modules={{ prepend .modules "metrics" | join "," }}
{{- end }}
- --metrics-bind-address={{ ternary (printf ":%v" $v.metrics.port) "0" $v.metrics.enabled }}
{{- if include "ark.postgresql" .root }}
{{- include "ark.database.args" (dict "secret" $v.storage.postgresql.passwordSecretName) }}
{{- end }}
{{- include "ark.certificates.args" . }}
{{- if has "server" .modules }}
- --secure-port={{ $v.storage.apiserver.port }}
{{- range $v.server.serve }}
- --serve={{ . }}
{{- end }}
{{- end }}
{{- if has "workers" .modules }}
- --concurrency={{ $v.workers.concurrency }}
- --lease-duration={{ $v.workers.leaseDuration }}
{{- end }}
{{- if and (has "controllers" .modules) (eq $v.storage.backend "etcd") }}
- --max-concurrent-queries={{ $v.controllers.maxConcurrentQueries }}
{{- end }}
{{- range $v.egress.allowPrivateIPs }}
- --allow-private-ips={{ . }}
{{- end }}
{{- if $v.egress.allowCrossNamespace }}
- --allow-cross-namespace
{{- end }}
{{- if $v.allEvents }}
- --all-events
{{- end }}
{{- if $v.logLevel }}
- --v={{ $v.logLevel }}
{{- end }}
{{- range $v.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end }}

{{/*
Certificates of a process that the cluster's API server calls, and how it registers
there: {root, modules}.
*/}}
{{- define "ark.certificates.args" -}}
{{- if include "ark.certified" .modules }}
- --certificate-dir=/var/run/ark/certificates
{{- if not .root.Values.certificates.certManager.enabled }}
- --certificate-secret=ark-certificates
- --certificate-hosts={{ include "ark.hosts" .root | fromJsonArray | join "," }}
- --certificate-lifetime={{ .root.Values.certificates.lifetime }}
{{- end }}
{{- if has "server" .modules }}
- --api-service=ark-server:443
- --owner=ark-server
{{- if .root.Values.storage.force }}
- --hide-custom-resources
{{- end }}
{{- else }}
- --webhook-configurations=ark
{{- end }}
{{- end }}
{{- end }}

{{/* The modules of a list are called by the cluster's API server. */}}
{{- define "ark.certified" -}}
{{- if or (has "server" .) (has "webhooks" .) }}true{{ end }}
{{- end }}

{{/* Names that the certificate is for, as a JSON list. */}}
{{- define "ark.hosts" -}}
{{- $hosts := list }}
{{- range tuple "server" "webhooks" "metrics" }}
{{- $hosts = concat $hosts (list (printf "ark-%s.%s.svc" . $.Release.Namespace)) }}
{{- end }}
{{- $hosts | toJson }}
{{- end }}

{{/* Ports of a process: {root, modules}. */}}
{{- define "ark.ports" -}}
{{- $v := .root.Values }}
{{- if has "server" .modules }}
- {name: api, containerPort: {{ $v.storage.apiserver.port }}}
{{- end }}
{{- if has "webhooks" .modules }}
- {name: webhooks, containerPort: 9443}
{{- end }}
{{- if $v.metrics.enabled }}
- {name: metrics, containerPort: {{ $v.metrics.port }}}
{{- end }}
- {name: probes, containerPort: 8081}
{{- end }}

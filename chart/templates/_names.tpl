{{/* Labels of everything. */}}
{{- define "ark.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/name: ark
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: ark
{{- end }}

{{/* Labels that the Pods of a Deployment are selected by: {root, name}. */}}
{{- define "ark.selector" -}}
app.kubernetes.io/name: ark
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .name }}
{{- end }}

{{- define "ark.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "ark.postgresql" -}}
{{- if eq .Values.storage.backend "postgresql" }}true{{ end }}
{{- end }}

{{/* Modules of the backend that have settings of their own, as a JSON list. */}}
{{- define "ark.modules" -}}
{{- if include "ark.postgresql" . -}}
["server","controllers","workers"]
{{- else if .Values.webhook.enable -}}
["webhooks","controllers"]
{{- else -}}
["controllers"]
{{- end }}
{{- end }}

{{/* Settings of a module: {root, module}. The one of the webhooks has the name that Ark's values always had. */}}
{{- define "ark.settings" -}}
{{- index .root.Values (.module | replace "webhooks" "webhook") | toJson }}
{{- end }}

{{/*
The Deployments, as a JSON object of their modules by name: ark-core runs together
all that does not stand apart.
*/}}
{{- define "ark.deployments" -}}
{{- $all := dict }}
{{- $together := list }}
{{- range include "ark.modules" . | fromJsonArray }}
{{- $settings := include "ark.settings" (dict "root" $ "module" .) | fromJson }}
{{- if $settings.apart }}
{{- $_ := set $all . (list .) }}
{{- else }}
{{- $together = append $together . }}
{{- end }}
{{- end }}
{{- if $together }}
{{- $_ := set $all "core" $together }}
{{- end }}
{{- $all | toJson }}
{{- end }}

{{/* The Deployment, and so the ServiceAccount, that runs a module: {root, module}. */}}
{{- define "ark.home" -}}
{{- range $name, $modules := include "ark.deployments" .root | fromJson }}
{{- if has $.module $modules }}{{ $name }}{{ end }}
{{- end }}
{{- end }}

{{/* A module is part of this installation: {root, module}; empty: it is not. */}}
{{- define "ark.has" -}}
{{- if has .module (include "ark.modules" .root | fromJsonArray) }}true{{ end }}
{{- end }}

{{/* How many Pods a Deployment has: {root, name}. */}}
{{- define "ark.replicas" -}}
{{- if eq .name "core" -}}
{{- if kindIs "invalid" .root.Values.core.replicas }}{{ ternary 2 1 (eq .root.Values.storage.backend "postgresql") }}{{ else }}{{ .root.Values.core.replicas }}{{ end }}
{{- else -}}
{{- (include "ark.settings" (dict "root" .root "module" .name) | fromJson).replicas }}
{{- end }}
{{- end }}

{{/* The workers scale by themselves: {root, name}. */}}
{{- define "ark.autoscaled" -}}
{{- if and (eq .name "workers") .root.Values.workers.autoscaling.enabled }}true{{ end }}
{{- end }}

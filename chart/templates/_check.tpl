{{/* The container that checks the API: {root, args}. */}}
{{- define "ark.check" -}}
serviceAccountName: ark-check
restartPolicy: Never
securityContext:
  {{- include "ark.podSecurity" .root | nindent 2 }}
{{- with include "ark.placement" .root | trim }}
{{- . | nindent 0 }}
{{- end }}
containers:
  - name: ark
    image: {{ include "ark.image" .root | quote }}
    imagePullPolicy: {{ .root.Values.image.pullPolicy }}
    args:
      - check
      - --timeout={{ .root.Values.check.timeout }}
      {{- range .args }}
      - {{ . }}
      {{- end }}
    env:
      - name: POD_NAMESPACE
        valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
      {{- with .root.Values.extraEnv }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    ports:
      - {name: model, containerPort: 8080}
    resources:
      {{- toYaml .root.Values.check.resources | nindent 6 }}
    securityContext:
      {{- include "ark.containerSecurity" .root | nindent 6 }}
{{- end }}

{{/*
How a container reaches the database: {root, user}. The password is a file, which is
read for each connection: a Secret that is made, or changed, later counts at once.
*/}}
{{- define "ark.database.env" -}}
{{- $pg := .root.Values.storage.postgresql }}
- {name: PGHOST, value: {{ $pg.host | quote }}}
- {name: PGPORT, value: {{ $pg.port | quote }}}
- {name: PGDATABASE, value: {{ $pg.database | quote }}}
- {name: PGUSER, value: {{ .user | quote }}}
- {name: PGSSLMODE, value: {{ $pg.sslMode | quote }}}
{{- if $pg.rootCertSecretName }}
- {name: PGSSLROOTCERT, value: /etc/ark/database-ca/ca.crt}
{{- end }}
{{- end }}

{{/* Flags of the same: {root, secret}. */}}
{{- define "ark.database.args" -}}
{{- if .secret }}
- --database-password-file=/etc/ark/database/password
{{- end }}
{{- end }}

{{/* Mounts of the same: {root, secret}. */}}
{{- define "ark.database.mounts" -}}
{{- if .secret }}
- {name: database, mountPath: /etc/ark/database, readOnly: true}
{{- end }}
{{- if .root.Values.storage.postgresql.rootCertSecretName }}
- {name: database-ca, mountPath: /etc/ark/database-ca, readOnly: true}
{{- end }}
{{- end }}

{{/*
Volumes of the same: {root, secret, key}. They are optional: a Pod whose Secret is
missing starts, says so in its log, and goes on when the Secret is there.
*/}}
{{- define "ark.database.volumes" -}}
{{- $pg := .root.Values.storage.postgresql }}
{{- if .secret }}
- name: database
  secret:
    secretName: {{ .secret }}
    items: [{key: {{ .key }}, path: password}]
    defaultMode: 0440
    optional: true
{{- end }}
{{- if $pg.rootCertSecretName }}
- name: database-ca
  secret:
    secretName: {{ $pg.rootCertSecretName }}
    items: [{key: {{ $pg.rootCertSecretKey }}, path: ca.crt}]
    optional: true
{{- end }}
{{- end }}

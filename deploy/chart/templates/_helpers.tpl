{{/* The name of everything that the chart makes. It is fixed: documentation and scripts look for it. */}}
{{- define "waggle.name" -}}toolhive-operator{{- end }}

{{/* What selects the operator's pods. */}}
{{- define "waggle.selector" -}}
app.kubernetes.io/name: {{ include "waggle.name" . }}
{{- end }}

{{- define "waggle.labels" -}}
{{ include "waggle.selector" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* An image: (list root image). */}}
{{- define "waggle.image" -}}
{{- $root := index . 0 }}{{ $image := index . 1 }}
{{- if $image.digest }}{{ $image.repository }}@{{ $image.digest }}
{{- else }}{{ $image.repository }}:{{ $image.tag | default $root.Chart.AppVersion }}
{{- end }}
{{- end }}

{{/* The subject of every binding. */}}
{{- define "waggle.subjects" -}}
- kind: ServiceAccount
  name: {{ include "waggle.name" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}

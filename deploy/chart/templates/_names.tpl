{{- define "parallax.runtime" -}}
{{ .Release.Name }}-runtime
{{- end }}
{{- define "parallax.controlPlane" -}}
{{ .Release.Name }}-control-plane
{{- end }}
{{- define "parallax.api" -}}
{{ .Values.api.existingSecret | default (printf "%s-api" .Release.Name) }}
{{- end }}
{{- define "parallax.labels" -}}
app.kubernetes.io/name: parallax
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- define "parallax.pod" -}}
enableServiceLinks: false
terminationGracePeriodSeconds: 20
securityContext:
  runAsNonRoot: true
  runAsUser: 1000
  runAsGroup: 1000
  fsGroup: 1000
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.images.pullSecrets }}
imagePullSecrets:
{{- range . }}
- name: {{ . }}
{{- end }}
{{- end }}
{{- end }}
{{- define "parallax.container" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}
{{- define "parallax.claim" -}}
- metadata:
    name: state
  spec:
    accessModes: [ReadWriteOnce]
    {{- with .className }}
    storageClassName: {{ . }}
    {{- end }}
    resources:
      requests:
        storage: {{ .size }}
{{- end }}
{{- define "parallax.token" -}}
- name: PARALLAX_API_TOKEN
  valueFrom:
    secretKeyRef:
      name: {{ include "parallax.api" . }}
      key: token
{{- end }}

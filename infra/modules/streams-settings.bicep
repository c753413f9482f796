// The app settings of the streams site. Its triggers read three references per stream, whose secrets do not exist
// until the app has fetched them: a stream whose references are unresolved is left out when the app starts.

param tablesUrl string
param identityClientId string
param vaultName string
param streams object

var common = [
  {
    name: 'ZAPBRIDGE_ROLE'
    value: 'streams'
  }
  {
    name: 'ZAPBRIDGE_TABLES'
    value: tablesUrl
  }
  {
    name: 'ZAPBRIDGE_MANAGED_IDENTITY_CLIENT_ID'
    value: identityClientId
  }
  {
    name: 'ZAPBRIDGE_IDENTITY_KEY'
    value: '@Microsoft.KeyVault(VaultName=${vaultName};SecretName=identity-key)'
  }
  {
    name: 'ZAPBRIDGE_STREAMS'
    value: string(streams)
  }
]

var perStream = [for stream in items(streams): [
  {
    name: 'ZAPBRIDGE_STREAM_${toUpper(stream.key)}_CONNECTION'
    value: '@Microsoft.KeyVault(VaultName=${vaultName};SecretName=stream-${stream.key}-connection)'
  }
  {
    name: 'ZAPBRIDGE_STREAM_${toUpper(stream.key)}_TOPIC'
    value: '@Microsoft.KeyVault(VaultName=${vaultName};SecretName=stream-${stream.key}-topic)'
  }
  {
    name: 'ZAPBRIDGE_STREAM_${toUpper(stream.key)}_SUBSCRIPTION'
    value: '@Microsoft.KeyVault(VaultName=${vaultName};SecretName=stream-${stream.key}-subscription)'
  }
]]

output settings array = concat(common, flatten(perStream))

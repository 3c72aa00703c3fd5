# Actions of restante-control on Exchange: a template, not run by its authors (exchange.conf).
# Contacts are MailContacts named by the federation's id, CustomAttribute15 = restante, as
# restante-dirsync writes them; the second mailbox has that id in CustomAttribute14.
param([Parameter(Mandatory)][ValidateSet('check', 'do')][string]$Verb)
$ErrorActionPreference = 'Stop'

function Refuse([string]$Text) { [Console]::Error.WriteLine($Text); exit 1 }
function Again([string]$Text) { [Console]::Error.WriteLine($Text); exit 75 }

try {
	Add-PSSnapin Microsoft.Exchange.Management.PowerShell.SnapIn
	$s = [Console]::In.ReadToEnd() | ConvertFrom-Json
} catch { Again $_.Exception.Message }
if ($s.v -ne 1) { Refuse "a document of version $($s.v) is not understood" }
$wanted = @("SMTP:$($s.primary)") + @($s.addresses | Where-Object { $_ -ne $s.primary -and $_ -notlike '@*' } |
	ForEach-Object { "smtp:$_" }) + @($s.foreign | Where-Object { $_ })

# By its id; before it is made, by the mark.
function Find-Box {
	if ($s.source_id) { Get-Mailbox -Identity $s.source_id -ErrorAction SilentlyContinue }
	else { Get-Mailbox -Filter "CustomAttribute14 -eq '$($s.id)'" }
}
function Find-Contact { Get-MailContact -Identity $s.id -ErrorAction SilentlyContinue }
function Test-Addresses($Box) {
	$has = @($Box.EmailAddresses | ForEach-Object { "$_" })
	-not @($wanted | Where-Object { $has -notcontains $_ })
}
function Set-Contact {
	$contact = Find-Contact
	if (-not $contact) {
		$contact = New-MailContact -Name $s.id -ExternalEmailAddress $s.primary `
			-OrganizationalUnit $s.settings.ou
	}
	Set-MailContact $contact.Identity -EmailAddressPolicyEnabled $false -CustomAttribute15 restante `
		-EmailAddresses $wanted
}

$box = Find-Box
if (-not $box -and $s.action -notin 'create', 'delete', 'unredirect', 'open', 'contact') {
	Refuse 'there is no mailbox with this id any more'
}
try {
	switch ($s.action) {
		'create' {
			if (-not $box) {
				if ($Verb -eq 'check') { Refuse 'there is no second mailbox' }
				# An account of the person that is there already: Enable-Mailbox instead.
				$alias = $s.primary.Split('@')[0]
				$box = New-Mailbox -Shared -Name "$alias $($s.identifier)" -Alias $alias `
					-PrimarySmtpAddress "$alias@$($s.settings.domain)" -Database $s.settings.database
				Set-Mailbox $box.Identity -EmailAddressPolicyEnabled $false `
					-HiddenFromAddressListsEnabled $true -CustomAttribute14 $s.id
			}
			"physical: $($box.PrimarySmtpAddress)"
			"source-id: $($box.Guid)"
		}
		'redirect' {
			# No copy is kept. Remote domains must allow automatic forwarding.
			if ("$($box.ForwardingSmtpAddress)" -ne "smtp:$($s.other)" -or $box.DeliverToMailboxAndForward) {
				if ($Verb -eq 'check') { Refuse "it forwards to '$($box.ForwardingSmtpAddress)'" }
				Set-Mailbox $box.Identity -ForwardingSmtpAddress $s.other -DeliverToMailboxAndForward $false
			}
		}
		'unredirect' {
			if ($box -and $box.ForwardingSmtpAddress) {
				if ($Verb -eq 'check') { Refuse "it forwards to '$($box.ForwardingSmtpAddress)'" }
				Set-Mailbox $box.Identity -ForwardingSmtpAddress $null
			}
		}
		'addresses' {
			if ((Find-Contact) -or -not (Test-Addresses $box)) {
				if ($Verb -eq 'check') { Refuse 'the addresses are not those of the directory' }
				# Replies to old mail go to the contact's legacyExchangeDN.
				$contact = Find-Contact
				$old = if ($contact) { @("X500:$($contact.LegacyExchangeDN)") } else { @() }
				if ($contact) { Remove-MailContact $contact.Identity -Confirm:$false }
				try {
					Set-Mailbox $box.Identity -EmailAddresses ($wanted + "smtp:$($s.physical)" + $old) `
						-HiddenFromAddressListsEnabled $false
				} catch { Set-Contact; throw }
			}
		}
		'unaddress' {
			if (-not (Find-Contact)) {
				if ($Verb -eq 'check') { Refuse 'there is no contact' }
				Set-Mailbox $box.Identity -EmailAddresses "SMTP:$($s.physical)" -HiddenFromAddressListsEnabled $true
				Set-Contact
			}
		}
		'list' {
			$box.EmailAddresses | Where-Object { "$_" -like 'smtp:*' } | ForEach-Object { "address: $("$_".Substring(5))" }
		}
		{ $_ -in 'close', 'open' } {
			$on = $s.action -eq 'open'
			if ($box) {
				$cas = Get-CASMailbox $box.Identity
				if ($cas.MAPIEnabled -ne $on -or $cas.ImapEnabled -ne $on -or $cas.OWAEnabled -ne $on) {
					if ($Verb -eq 'check') { Refuse 'it is the other way round' }
					# Sessions end within a quarter of an hour, when the server looks again.
					Set-CASMailbox $box.Identity -MAPIEnabled $on -ImapEnabled $on -PopEnabled $on `
						-OWAEnabled $on -EwsEnabled $on -ActiveSyncEnabled $on
				}
			}
		}
		'empty' {
			$items = (Get-MailboxFolderStatistics $box.Identity | Where-Object { $_.TargetQuota -eq 'User' } |
				Measure-Object -Property ItemsInFolder -Sum).Sum
			if ($items -eq 0) { 'empty: yes' } else { 'empty: no' }
		}
		'delete' {
			# The database keeps it for MailboxRetention: Connect-Mailbox brings it back.
			if ($box) {
				if ($Verb -eq 'check') { Refuse 'the mailbox is still there' }
				Disable-Mailbox $box.Identity -Confirm:$false
			}
		}
		'contact' {
			if (-not (Find-Contact)) {
				if ($Verb -eq 'check') { Refuse 'there is no contact' }
				Set-Contact
			}
		}
		default { Refuse "this program does not do $($s.action)" }
	}
} catch { Refuse $_.Exception.Message }
exit 0

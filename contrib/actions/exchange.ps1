# Actions of restante-control on Exchange: a template, not run by its authors (exchange.conf).
#
# Contacts are MailContacts named by the federation's id, CustomAttribute15 = restante, as
# restante-dirsync writes them. Of a mailbox that moves, CustomAttribute14 is that id, CustomAttribute13
# where it forwarded by itself, CustomAttribute12 the protocols that it had before it was closed.
#
# Exit status (restante-actions(5)): 0 done, or the check holds; 1 refused, or the check does not hold;
# 75 tried again. 1 is said in so many words only: whatever is not understood, a server that is not
# reached above all, is 75, for "there is no such mailbox" would make a second one, or take it as gone.
param([string]$Verb)
$ErrorActionPreference = 'Stop'
# Both would be printed where only results may stand.
$WarningPreference = 'SilentlyContinue'
$ProgressPreference = 'SilentlyContinue'

function Say([string]$Text) { [Console]::Error.WriteLine(($Text -replace '\s+', ' ')) }
function Refuse([string]$Text) { Say $Text; exit 1 }
function Again([string]$Text) { Say $Text; exit 75 }

# Errors of the request itself, which a later try would meet again; only what does something is
# judged by it, for of a check 1 is an answer.
$final = 'Exists|Duplicate|Argument|ParameterBinding|Validation|Invalid|NotFound|Unauthorized|AccessDenied'
trap {
	if ($Verb -eq 'do' -and $_.CategoryInfo.Reason -match $final) { Refuse "$_" }
	Again "$_"
}

if ($Verb -notin 'check', 'do') { Refuse 'usage: exchange.ps1 check|do' }
$utf8 = New-Object Text.UTF8Encoding $false
$out = New-Object IO.StreamWriter ([Console]::OpenStandardOutput(), $utf8)
$out.AutoFlush = $true
$out.NewLine = "`n"
function Tell([string]$Line) { $out.WriteLine($Line) }

$s = (New-Object IO.StreamReader ([Console]::OpenStandardInput(), $utf8)).ReadToEnd() | ConvertFrom-Json
if ($s.v -ne 1) { Refuse "a document of version $($s.v) is not understood" }
try { Add-PSSnapin Microsoft.Exchange.Management.PowerShell.SnapIn } catch { Again "$_" }
# One domain controller for all: on another one what was just made may not be there yet.
if ($s.settings.dc) { $PSDefaultParameterValues['*:DomainController'] = $s.settings.dc }

$wanted = @("SMTP:$($s.primary)") + @($s.addresses | Where-Object { $_ -ne $s.primary -and $_ -notlike '@*' } |
	ForEach-Object { "smtp:$_" }) + @($s.foreign | Where-Object { $_ })

# --- what is there: the object, or nothing, or no answer (75) ------------------------------------------

# Nothing only where Exchange itself says that there is none of that identity.
function Find-One([scriptblock]$Ask) {
	try { $found = @(& $Ask) }
	catch {
		if ($_.CategoryInfo.Reason -eq 'ManagementObjectNotFoundException' -or
			"$($_.FullyQualifiedErrorId)" -match '\bManagementObjectNotFoundException\b') { return }
		Again "$_"
	}
	if ($found.Count -gt 1) { Refuse "there are $($found.Count) of $($s.id); look with Get-Recipient" }
	if ($found.Count -eq 1) { $found[0] }
}
# By its id; before that is known, by its mark, and before that is set, by the name of the move.
function Find-Box {
	if ($s.source_id) { return Find-One { Get-Mailbox -Identity $s.source_id } }
	$marked = Find-One { Get-Mailbox -Filter "CustomAttribute14 -eq '$($s.id)'" }
	if ($marked) { return $marked }
	Find-One { Get-Mailbox -Filter "Name -eq 'restante $($s.identifier)'" }
}
function Find-Contact { Find-One { Get-MailContact -Filter "Name -eq '$($s.id)'" } }

function Test-Addresses($Object) {
	$has = @($Object.EmailAddresses | ForEach-Object { "$_" })
	-not @($wanted | Where-Object { $has -notcontains $_ })
}
# With its marker: a contact that was cut off is none yet.
function Test-Contact($Contact) {
	$Contact -and "$($Contact.CustomAttribute15)" -eq 'restante' -and (Test-Addresses $Contact)
}
function Set-Contact {
	$contact = Find-Contact
	if (-not $contact) {
		$contact = New-MailContact -Name $s.id -ExternalEmailAddress $s.primary `
			-OrganizationalUnit $s.settings.ou
	}
	Set-MailContact "$($contact.Guid)" -EmailAddressPolicyEnabled $false -CustomAttribute15 restante `
		-EmailAddresses $wanted
}

# --- the actions -----------------------------------------------------------------------------------------

# Of a check: it does not hold. Of the other verb: go on, and do it.
function Missing([string]$Text) { if ($Verb -eq 'check') { Refuse $Text } }

$protocols = 'MAPI', 'Imap', 'Pop', 'OWA', 'Ews', 'ActiveSync'
$box = Find-Box
# A GUID: names may be had twice.
$id = "$($box.Guid)"
if (-not $box -and $s.action -notin 'create', 'delete', 'unredirect', 'open', 'contact') {
	Refuse 'there is no mailbox with this id any more'
}
switch ($s.action) {
	'create' {
		if (-not $box -or "$($box.CustomAttribute14)" -ne $s.id) {
			Missing 'there is no second mailbox'
			# An account of the person that is there already: Enable-Mailbox instead.
			$alias = $s.primary.Split('@')[0]
			if (-not $box) {
				$shown = @($s.attributes.displayName) + @($s.attributes.cn) + @($alias) |
					Where-Object { $_ } | Select-Object -First 1
				$box = New-Mailbox -Shared -Name "restante $($s.identifier)" -DisplayName $shown `
					-Alias $alias -PrimarySmtpAddress "$alias@$($s.settings.domain)" `
					-Database $s.settings.database
			}
			Set-Mailbox "$($box.Guid)" -EmailAddressPolicyEnabled $false `
				-HiddenFromAddressListsEnabled $true -CustomAttribute14 $s.id
		}
		Tell "physical: $($box.PrimarySmtpAddress)"
		Tell "source-id: $($box.Guid)"
	}
	'redirect' {
		# No copy is kept. Remote domains must allow automatic forwarding. Where the other attribute is
		# set as well, Exchange does not look at this one.
		if ($box.ForwardingAddress) { Refuse "its ForwardingAddress is $($box.ForwardingAddress); remove that" }
		$now = "$($box.ForwardingSmtpAddress)"
		if ($now -ne "smtp:$($s.other)" -or $box.DeliverToMailboxAndForward) {
			Missing "it forwards to '$now'"
			$own = "$($box.CustomAttribute13)"
			if ($now -and $now -ne "smtp:$($s.other)") { $own = "$now $($box.DeliverToMailboxAndForward)" }
			Set-Mailbox $id -ForwardingSmtpAddress $s.other -DeliverToMailboxAndForward $false `
				-CustomAttribute13 $own
		}
	}
	'unredirect' {
		# Only ours; then where it forwarded before.
		if ($box -and "$($box.ForwardingSmtpAddress)" -eq "smtp:$($s.other)") {
			Missing "it forwards to '$($box.ForwardingSmtpAddress)'"
			$own, $copy = "$($box.CustomAttribute13)".Split(' ')
			if (-not $own) { $own = $null }
			Set-Mailbox $id -ForwardingSmtpAddress $own -DeliverToMailboxAndForward ($copy -eq 'True') `
				-CustomAttribute13 $null
		}
	}
	'addresses' {
		$contact = Find-Contact
		if ($contact -or -not (Test-Addresses $box) -or $box.HiddenFromAddressListsEnabled) {
			Missing 'the addresses are not those of the directory'
			# Replies to old mail go to the contact's legacyExchangeDN, and to those of before.
			$old = @($box.EmailAddresses | ForEach-Object { "$_" } |
				Where-Object { $_ -like 'x500:*' -and $wanted -notcontains $_ })
			if ($contact) { $old += "X500:$($contact.LegacyExchangeDN)" }
			# For this moment nobody has them: the domain is an internal relay to the front door.
			if ($contact) { Remove-MailContact "$($contact.Guid)" -Confirm:$false }
			try {
				Set-Mailbox $id -EmailAddresses (@($wanted) + "smtp:$($s.physical)" + $old) `
					-HiddenFromAddressListsEnabled $false
			} catch {
				$first = $_
				if ($contact) { Set-Contact }
				throw $first
			}
		}
	}
	'unaddress' {
		if (-not (Test-Contact (Find-Contact))) {
			Missing 'there is no contact'
			Set-Mailbox $id -EmailAddresses "SMTP:$($s.physical)" -HiddenFromAddressListsEnabled $true
			Set-Contact
		}
	}
	'list' {
		$box.EmailAddresses | ForEach-Object { "$_" } | Where-Object { $_ -like 'smtp:*' } |
			ForEach-Object { Tell "address: $($_.Substring(5))" }
	}
	'close' {
		$cas = Get-CASMailbox $id
		$open = @($protocols | Where-Object { $cas."${_}Enabled" -ne $false })
		if ($open) {
			Missing "open to its user: $open"
			# What it had is recorded first; a repeat finds the record.
			if (-not $box.CustomAttribute12) { Set-Mailbox $id -CustomAttribute12 "closed $open" }
			$off = @{}
			$protocols | ForEach-Object { $off["${_}Enabled"] = $false }
			# Sessions end within a quarter of an hour, when the server looks again.
			Set-CASMailbox $id @off
		}
	}
	'open' {
		if ($box -and $box.CustomAttribute12) {
			Missing 'it is closed to its user'
			$on = @{}
			"$($box.CustomAttribute12)".Split(' ') | Where-Object { $_ -in $protocols } |
				ForEach-Object { $on["${_}Enabled"] = $true }
			Set-CASMailbox $id @on
			Set-Mailbox $id -CustomAttribute12 $null
		}
	}
	'empty' {
		# Of nothing at all there is no sum: then it is not known to be empty.
		$items = (Get-MailboxFolderStatistics $id | Where-Object { "$($_.TargetQuota)" -eq 'User' } |
			Measure-Object -Property ItemsInFolder -Sum).Sum
		if ($items -eq 0 -and $null -ne $items) { Tell 'empty: yes' } else { Tell 'empty: no' }
	}
	'delete' {
		if (-not $s.source_id) { Refuse 'the move knows no id of the mailbox' }
		# The database keeps it for MailboxRetention: Connect-Mailbox brings it back.
		if ($box) {
			Missing 'the mailbox is still there'
			Disable-Mailbox $id -Confirm:$false
		}
	}
	'contact' {
		if (-not (Test-Contact (Find-Contact))) {
			Missing 'there is no contact'
			Set-Contact
		}
	}
	default { Refuse "this program does not do $($s.action)" }
}
exit 0
